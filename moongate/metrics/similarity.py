"""Cosine metrics on features: subject and prompt fidelity, PRES, DIV, copy score.

Features come from any extractor as rows `(N, D)`; everything here is float64 and independent of their length.
Definitions follow Ruiz et al., "DreamBooth" (arXiv 2208.12242), section 4.1 and appendix, save where stated.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moongate.errors import NumericsError


def cosine_matrix(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Cosine of every row of `a: (N, D)` with every row of `b: (M, D)`: (N, M), in [-1, 1].

    Raises NumericsError when the widths differ, a feature is not finite, or a row is all zero.
    """
    rows_a, rows_b = _unit_rows(a, "a"), _unit_rows(b, "b")
    if rows_a.shape[1] != rows_b.shape[1]:
        raise NumericsError(
            f"features of width {rows_a.shape[1]} and {rows_b.shape[1]} cannot be compared",
            where="metrics.similarity",
            why="a cosine needs two vectors of one space",
            fix="compute both sets with the same extractor",
        )
    return np.clip(rows_a @ rows_b.T, -1.0, 1.0)


def mean_cosine_to(samples: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Mean cosine of each row of `samples: (N, D)` to all rows of `reference: (M, D)`: (N,).

    Its mean over the samples is the mean over all N x M pairs. With generated pictures of the subject against
    real ones it is subject fidelity (the paper's DINO and CLIP-I; higher is better). With generated pictures
    of the *class* against real ones of the subject it is PRES: the class has collapsed onto the subject
    (lower is better).
    """
    return cosine_matrix(samples, reference).mean(axis=1)


def matched_cosine(images: ArrayLike, texts: ArrayLike) -> NDArray[np.float64]:
    """Cosine of row i of `images: (N, D)` with row i of `texts: (N, D)`: (N,). CLIP-T on the raw scale.

    Raw means neither times 100 nor times 2.5: around 0.3 for OpenAI's CLIP models.
    """
    rows_i, rows_t = _unit_rows(images, "images"), _unit_rows(texts, "texts")
    if rows_i.shape != rows_t.shape:
        raise NumericsError(
            f"{rows_i.shape} image features cannot be matched with {rows_t.shape} text features",
            where="metrics.similarity",
            why="picture i is compared with prompt i",
            fix="pass one text per picture, both from one CLIP model",
        )
    return np.clip((rows_i * rows_t).sum(axis=1), -1.0, 1.0)


def mean_distance_to_others(samples: ArrayLike) -> NDArray[np.float64]:
    """Mean of 1 - cosine from each row of `samples: (N, D)`, N >= 2, to the N - 1 others: (N,), in [0, 2].

    Over the pictures of one prompt its mean is DIV, the mean pairwise distance (higher is better). The paper
    takes LPIPS as the distance; this is the cosine distance of whatever features are passed, and the scales
    differ.
    """
    cosines = cosine_matrix(samples, samples)
    n = len(cosines)
    if n < 2:
        raise NumericsError(
            f"the diversity of {n} picture is not defined",
            where="metrics.similarity",
            why="it is a mean over pairs",
            fix="draw at least two seeds per prompt, or record the status 'too_few'",
        )
    return 1.0 - (cosines.sum(axis=1) - np.diag(cosines)) / (n - 1)


def nearest_neighbour_cosine(training: ArrayLike) -> float:
    """Mean over `training: (M, D)`, M >= 2, of each picture's highest cosine to another one of them."""
    cosines = cosine_matrix(training, training)
    if len(cosines) < 2:
        raise NumericsError(
            "one training picture has no neighbour",
            where="metrics.similarity",
            why="the copy score is measured from how alike the training pictures are among themselves",
            fix="pass at least two training pictures, or record the status 'too_few'",
        )
    np.fill_diagonal(cosines, -np.inf)
    return float(cosines.max(axis=1).mean())


def copy_score(samples: ArrayLike, training: ArrayLike) -> NDArray[np.float64]:
    """Each sample's highest cosine to a training picture, less `nearest_neighbour_cosine(training)`.

    samples: (N, D), training: (M, D) with M >= 2; returns (N,), lower is better. Each training picture is
    compared with the M - 1 others, so a sample's highest cosine is the mean over every choice of M - 1: one
    more picture of the same kind as the training pictures then scores 0 on average, and a paste far more. It
    has no fixed threshold: extractors differ. Features that do not see the scene cannot tell a paste from a
    faithful new picture.
    """
    neighbourhood = nearest_neighbour_cosine(training)
    second, first = np.sort(cosine_matrix(samples, training), axis=1)[:, -2:].T
    # Leaving out the nearest one, which happens once in M, makes the second the highest.
    return first + (second - first) / len(np.asarray(training)) - neighbourhood


def _unit_rows(features: ArrayLike, name: str) -> NDArray[np.float64]:
    rows = np.asarray(features, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    if rows.ndim != 2 or len(rows) == 0 or not np.isfinite(rows).all() or not (lengths > 0).all():
        raise NumericsError(
            f"the features '{name}' of shape {rows.shape} cannot be compared",
            where="metrics.similarity",
            why="features are a non-empty (N, D) array of finite numbers without an all-zero row",
            fix="check the pictures and the extractor that gave them",
        )
    return rows / lengths
