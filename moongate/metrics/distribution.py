"""Distances between two sets of features: unbiased KID and MMD, with a standard error.

At the sizes of a personalization run (tens to hundreds of pictures) a Frechet distance is mostly bias, and
biased MMD too. The unbiased estimates below are 0 on average when both sets come from one distribution, hence
at times negative.

Gretton et al., "A Kernel Two-Sample Test" (JMLR 2012), lemma 6; Binkowski et al., "Demystifying MMD GANs"
(arXiv 1801.01401) for the kernel of KID; Arvesen, "Jackknifing U-statistics" (1969) for the standard error.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moongate.errors import NumericsError
from moongate.metrics.bootstrap import Interval
from moongate.metrics.jackknife import jackknife_variance, normal_interval, pair_mean_without_each
from moongate.metrics.rows import Status

Matrix = NDArray[np.float64]
MIN_SAMPLES = 10


@dataclass(frozen=True)
class Discrepancy:
    """An unbiased squared MMD with its jackknife standard error; both None when a set is too small.

    n: size of the smaller set.
    """

    value: float | None
    standard_error: float | None
    n: int
    status: Status

    def interval(self, confidence: float) -> Interval | None:
        """Normal interval around the value; None where there is no value.

        When both sets come from one distribution the jackknife overstates the variance, so the interval errs
        on the wide side there.
        """
        if self.value is None or self.standard_error is None:
            return None
        return normal_interval(self.value, self.standard_error**2, confidence)


def polynomial_kernel(x: ArrayLike, y: ArrayLike, *, gamma: float) -> Matrix:
    """(gamma x.y + 1)^3 for every row of `x: (N, D)` and `y: (M, D)`: (N, M).

    gamma = 1/D on raw Inception features is the kernel of KID. On features of length 1 the product is a
    cosine already, and gamma = 1 keeps the same range; the figures of the two cannot be compared.
    """
    return (gamma * _product(x, y) + 1.0) ** 3


def rbf_kernel(x: ArrayLike, y: ArrayLike, *, sigma: float) -> Matrix:
    """exp(-|x - y|^2 / (2 sigma^2)) for every row of `x: (N, D)` and `y: (M, D)`: (N, M), in (0, 1]."""
    rows_x, rows_y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    squares = (rows_x**2).sum(1)[:, None] + (rows_y**2).sum(1)[None, :] - 2.0 * _product(x, y)
    return np.exp(-np.maximum(squares, 0.0) / (2.0 * sigma**2))


def kid(x: ArrayLike, y: ArrayLike, *, gamma: float) -> Discrepancy:
    """Unbiased squared MMD with the cubic kernel between independent sets `x: (M, D)` and `y: (N, D)`.

    Fewer than 10 rows in either set give status `too_few`. Raises NumericsError on non-finite features.
    """
    if min(len(np.asarray(x)), len(np.asarray(y))) < MIN_SAMPLES:
        return _too_few(x, y)
    return mmd2(
        polynomial_kernel(x, x, gamma=gamma),
        polynomial_kernel(y, y, gamma=gamma),
        polynomial_kernel(x, y, gamma=gamma),
    )


def kid_paired(x: ArrayLike, y: ArrayLike, *, gamma: float) -> Discrepancy:
    """As `kid`, for `x: (N, D)` and `y: (N, D)` whose rows i were drawn from the same noise.

    Two models sampled at the same seeds give dependent sets, for which `kid` comes out too low on average.
    """
    if np.shape(x) != np.shape(y):
        raise NumericsError(
            f"feature sets of shape {np.shape(x)} and {np.shape(y)} are not paired",
            where="metrics.distribution",
            why="row i of one set belongs to row i of the other",
            fix="draw both sets at the same seeds, or use `kid`",
        )
    if min(len(np.asarray(x)), len(np.asarray(y))) < MIN_SAMPLES:
        return _too_few(x, y)
    return mmd2_paired(
        polynomial_kernel(x, x, gamma=gamma),
        polynomial_kernel(y, y, gamma=gamma),
        polynomial_kernel(x, y, gamma=gamma),
    )


def mmd_rbf(x: ArrayLike, y: ArrayLike, *, sigma: float) -> Discrepancy:
    """Unbiased squared MMD with a Gaussian kernel between independent sets; refuses and raises as `kid` does.

    sigma is in the units of the features. CMMD (Jayasumana et al., arXiv 2401.09603) takes 10, on CLIP
    features.
    """
    if min(len(np.asarray(x)), len(np.asarray(y))) < MIN_SAMPLES:
        return _too_few(x, y)
    return mmd2(rbf_kernel(x, x, sigma=sigma), rbf_kernel(y, y, sigma=sigma), rbf_kernel(x, y, sigma=sigma))


def mmd2(k_xx: Matrix, k_yy: Matrix, k_xy: Matrix) -> Discrepancy:
    """Gretton et al. (2012), eq. 3, from kernel matrices (M, M), (N, N) and (M, N), with M, N >= 3."""
    m, n = k_xy.shape
    within_x, within_y = _pair_mean(k_xx), _pair_mean(k_yy)
    value = within_x + within_y - 2.0 * k_xy.mean()

    across_without_x = (k_xy.sum() - k_xy.sum(axis=1)) / ((m - 1) * n)
    across_without_y = (k_xy.sum() - k_xy.sum(axis=0)) / (m * (n - 1))
    without_x = pair_mean_without_each(k_xx) + within_y - 2.0 * across_without_x
    without_y = pair_mean_without_each(k_yy) + within_x - 2.0 * across_without_y
    variance = jackknife_variance(without_x) + jackknife_variance(without_y)
    return Discrepancy(float(value), math.sqrt(variance), min(m, n), "ok")


def mmd2_paired(k_xx: Matrix, k_yy: Matrix, k_xy: Matrix) -> Discrepancy:
    """Gretton et al. (2012), eq. 4: the terms k(x_i, y_i) are left out, so pairs (x_i, y_i) may be dependent.

    All three matrices are (N, N), N >= 3.
    """
    pairs = k_xx + k_yy - k_xy - k_xy.T
    variance = jackknife_variance(pair_mean_without_each(pairs))
    return Discrepancy(float(_pair_mean(pairs)), math.sqrt(variance), len(pairs), "ok")


def _pair_mean(pairs: Matrix) -> float:
    """Mean over the ordered pairs i != j of a square matrix."""
    n = len(pairs)
    return float((pairs.sum() - np.trace(pairs)) / (n * (n - 1)))


def _too_few(x: ArrayLike, y: ArrayLike) -> Discrepancy:
    return Discrepancy(None, None, min(len(np.asarray(x)), len(np.asarray(y))), "too_few")


def _product(x: ArrayLike, y: ArrayLike) -> Matrix:
    rows_x, rows_y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    fits = rows_x.ndim == 2 and rows_y.ndim == 2 and rows_x.shape[1] == rows_y.shape[1]
    if not fits or not (np.isfinite(rows_x).all() and np.isfinite(rows_y).all()):
        raise NumericsError(
            f"feature sets of shape {rows_x.shape} and {rows_y.shape} cannot be compared",
            where="metrics.distribution",
            why="both are (N, D) arrays of finite numbers of one width; one NaN would spoil every sum",
            fix="compute both sets with the same extractor and check the pictures behind them",
        )
    return rows_x @ rows_y.T
