"""Percentile bootstrap over the unit that was drawn: pictures, or prompts with all their pictures.

Pictures of one prompt resemble one another, so resampling single pictures would promise more than was
measured. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3 (percentile interval);
Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8 (resampling whole
clusters).

A percentile interval of few units is too narrow: of six normal values it covers 87 % where
95 % is promised. Its tails are therefore moved outwards by as much as Student's t exceeds the normal
("expanded percentiles", Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 5.3).

No percentile leaves the range of the data, and all of n units lie on one side of their median with
probability 2 * 2^-n. Where that alone is more than the interval may miss, it is Student's t instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil, log2, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from moongate.errors import NumericsError
from moongate.metrics.rows import IntervalKind

MIN_UNITS = 2


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval, in the unit of the metric, and how it was found."""

    low: float
    high: float
    kind: IntervalKind


def bootstrap_generator(seed: int, purpose: str) -> np.random.Generator:
    """A PCG64 generator that depends on `seed` and `purpose` (a metric's id and model) alone.

    So a metric's interval stays the same when another metric is added before it.
    """
    key = blake2b(f"bootstrap\0{seed}\0{purpose}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(key, "big")))


def percentile_bootstrap(
    values: NDArray[np.float64], *, draws: int, confidence: float, generator: np.random.Generator
) -> Interval | None:
    """Interval of the mean of `values: (n,)`, which are independent of one another.

    Returns None for fewer than two values. Raises NumericsError on non-finite values, draws < 1 or a
    confidence outside (0, 1).
    """
    return cluster_bootstrap(
        values, np.arange(len(values)), draws=draws, confidence=confidence, generator=generator
    )


def cluster_bootstrap(
    values: NDArray[np.float64],
    clusters: Sequence[str] | NDArray[np.int64],
    *,
    draws: int,
    confidence: float,
    generator: np.random.Generator,
) -> Interval | None:
    """Interval of the mean of `values: (n,)` when whole clusters, named by `clusters: (n,)`, are redrawn.

    Each draw takes as many clusters as there are, with replacement, and averages all the values in them, so a
    cluster with more values weighs more, as it does in the plain mean. Of fewer than `fewest_units` clusters
    the interval is `student_interval`; of fewer than two it is None. Raises NumericsError as
    `percentile_bootstrap` does.
    """
    _check(values, clusters, draws=draws, confidence=confidence)
    names, cluster_of = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < MIN_UNITS:
        return None
    sums = np.bincount(cluster_of, weights=values).astype(np.float64)
    counts = np.bincount(cluster_of).astype(np.float64)
    if len(names) < fewest_units(confidence):
        return student_interval(sums, counts, confidence=confidence)
    drawn = generator.integers(len(names), size=(draws, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = expanded_tail(confidence, len(names))
    low, high = np.quantile(means, [tail, 1.0 - tail])
    kind: IntervalKind = "bootstrap" if len(names) == len(values) else "cluster_bootstrap"
    return Interval(float(low), float(high), kind)


def student_interval(
    sums: NDArray[np.float64], counts: NDArray[np.float64], *, confidence: float
) -> Interval:
    """Student's interval of sum(sums) / sum(counts), from n >= 2 clusters: `sums: (n,)`, `counts: (n,)`.

    The variance is that of a ratio of means (Cochran, "Sampling Techniques", 1977, chapter 6); with one value
    a cluster it is s^2 / n, and the interval the textbook's.
    """
    n, mean = len(sums), float(sums.sum() / counts.sum())
    residuals = sums - mean * counts
    variance = n / (n - 1) * float((residuals**2).sum()) / float(counts.sum()) ** 2
    half = float(stdtrit(n - 1, 0.5 + confidence / 2.0)) * sqrt(variance)
    return Interval(mean - half, mean + half, "student_t")


def fewest_units(confidence: float) -> int:
    """The least n with 2 * 2^-n <= 1 - confidence: of so many a percentile interval can hold its promise."""
    return ceil(1.0 - log2(1.0 - confidence))


def expanded_tail(confidence: float, n: int) -> float:
    """The share of draws beyond each end of the interval of n >= 2 units: Phi(-sqrt(n / (n - 1)) t_(n - 1)).

    t is Student's quantile of the confidence; for many units the share is (1 - confidence) / 2.
    """
    t = float(stdtrit(n - 1, 0.5 + confidence / 2.0))
    return NormalDist().cdf(-sqrt(n / (n - 1)) * t)


def _check(
    values: NDArray[np.float64],
    clusters: Sequence[str] | NDArray[np.int64],
    *,
    draws: int,
    confidence: float,
) -> None:
    fix = "pass one finite value and one cluster per picture, draws >= 1, and a confidence such as 0.95"
    if draws < 1 or not 0.0 < confidence < 1.0:
        raise NumericsError(
            f"a bootstrap with {draws} draws at confidence {confidence} is not defined",
            where="metrics.bootstrap",
            why="draws are counted from 1 and a confidence lies strictly between 0 and 1",
            fix=fix,
        )
    if len(values) != len(clusters) or not np.isfinite(values).all():
        raise NumericsError(
            f"the bootstrap was given {len(values)} values, {len(clusters)} clusters, "
            f"{int((~np.isfinite(values)).sum())} of the values not finite",
            where="metrics.bootstrap",
            why="one non-finite value would make every draw that contains it non-finite",
            fix=fix,
        )
