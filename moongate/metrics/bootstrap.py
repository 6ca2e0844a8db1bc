"""Percentile bootstrap over the unit that was drawn: pictures, or prompts with all their pictures.

Pictures of one prompt resemble one another, so resampling single pictures would promise more than was
measured. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3 (percentile interval);
Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8 (resampling whole
clusters).

A percentile interval of few units is too narrow: of six normal values it covers 87 % where
95 % is promised. Its tails are therefore moved outwards to where Student's t would put them ("expanded
percentiles", Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 5.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from moongate.errors import NumericsError

MIN_UNITS = 2


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval, in the unit of the metric."""

    low: float
    high: float


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
    cluster with more values weighs more, as it does in the plain mean. Returns None for fewer than two
    clusters. Raises NumericsError as `percentile_bootstrap` does.
    """
    _check(values, clusters, draws=draws, confidence=confidence)
    names, cluster_of = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < MIN_UNITS:
        return None
    sums = np.bincount(cluster_of, weights=values)
    counts = np.bincount(cluster_of)
    drawn = generator.integers(len(names), size=(draws, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = expanded_tail(confidence, len(names))
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(low), float(high))


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
