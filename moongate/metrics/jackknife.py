"""Standard error of a mean over pairs, by leaving one picture out at a time.

A bootstrap of pictures draws some of them twice and so pairs a picture with itself; and the pictures' own
means over pairs share those pairs. Leaving one out has neither fault (Arvesen, "Jackknifing U-statistics",
1969).
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from moongate.metrics.bootstrap import Interval


def pair_mean_without_each(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the pairs i != j of the symmetric `pairs: (N, N)`, N >= 3, without each picture: (N,)."""
    n = len(pairs)
    rows = pairs.sum(axis=1) - np.diag(pairs)
    return (rows.sum() - 2.0 * rows) / ((n - 1) * (n - 2))


def jackknife_variance(without: NDArray[np.float64]) -> float:
    """Variance of an estimate, from its values with one of N pictures left out: `without: (N,)`."""
    n = len(without)
    return float((n - 1) / n * ((without - without.mean()) ** 2).sum())


def normal_interval(value: float, variance: float, confidence: float) -> Interval:
    """`value` plus and minus the normal quantile of `confidence` times the standard error."""
    half = NormalDist().inv_cdf(0.5 + confidence / 2.0) * math.sqrt(variance)
    return Interval(value - half, value + half, "jackknife")
