import numpy as np
import pytest
import scipy.stats

from moongate.errors import NumericsError
from moongate.metrics.bootstrap import (
    bootstrap_generator,
    cluster_bootstrap,
    expanded_tail,
    fewest_units,
    percentile_bootstrap,
)


def normal(n: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).normal(size=n)


def interval(values: np.ndarray, seed: int = 0, confidence: float = 0.95):
    return percentile_bootstrap(
        values, draws=2000, confidence=confidence, generator=bootstrap_generator(seed, "test")
    )


def test_interval_of_a_large_sample_is_the_normal_one() -> None:
    values = normal(400, 1)
    found = interval(values)
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    covered = 0
    for i in range(300):
        found = percentile_bootstrap(
            normal(60, i), draws=300, confidence=0.9, generator=bootstrap_generator(i, "coverage")
        )
        covered += found.low <= 0.0 <= found.high
    assert 0.83 <= covered / 300 <= 0.95


def test_interval_of_six_units_covers_far_more_than_plain_percentiles_do() -> None:
    covered = 0
    for i in range(1000):
        found = percentile_bootstrap(
            normal(6, i), draws=1000, confidence=0.95, generator=bootstrap_generator(i, "few")
        )
        covered += found.low <= 0.0 <= found.high
    # Plain percentiles of six reach 1.96 sqrt(5 / 6) standard errors, and t_5 stays within that in 87 %.
    assert 0.90 <= covered / 1000 <= 0.97


@pytest.mark.parametrize("n", [2, 3, 5])
def test_interval_of_too_few_units_for_percentiles_is_students(n: int) -> None:
    values = normal(n, 7)
    found, wanted = (
        interval(values),
        scipy.stats.t.interval(0.95, n - 1, values.mean(), scipy.stats.sem(values)),
    )
    assert (found.low, found.high, found.kind) == (*map(pytest.approx, wanted), "student_t")


def test_students_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    found = [interval(normal(4, i)) for i in range(1000)]
    assert 0.93 <= sum(one.low <= 0.0 <= one.high for one in found) / 1000 <= 0.97


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_percentiles_are_used_from_as_many_units_as_can_hold_their_promise(confidence: float) -> None:
    n = fewest_units(confidence)
    assert 2 * 2.0**-n <= 1 - confidence < 2 * 2.0 ** -(n - 1)


def test_few_clusters_of_unequal_size_weigh_by_their_values() -> None:
    values, names = np.array([1.0, 2.0, 3.0, 10.0]), ["a", "a", "a", "b"]
    found = cluster_bootstrap(
        values, names, draws=10, confidence=0.95, generator=bootstrap_generator(0, "test")
    )
    assert (found.low + found.high) / 2 == pytest.approx(4.0)
    # Residuals of both clusters are 6 - 3 x 4 and 10 - 4: sqrt(2 / 1 x 72) / 4.
    assert (found.high - found.low) / 2 == pytest.approx(scipy.stats.t.ppf(0.975, 1) * 3.0)


@pytest.mark.parametrize(("n", "expected"), [(6, 0.00243), (25, 0.01754), (10_000, 0.02499)])
def test_tails_move_outwards_when_units_are_few(n: int, expected: float) -> None:
    t = scipy.stats.t.ppf(0.975, n - 1)
    assert expanded_tail(0.95, n) == pytest.approx(scipy.stats.norm.cdf(-t * (n / (n - 1)) ** 0.5))
    assert expanded_tail(0.95, n) == pytest.approx(expected, rel=0.01)


def test_the_same_seed_and_purpose_give_the_same_interval() -> None:
    values = normal(20, 2)
    assert interval(values) == interval(values)
    assert interval(values, seed=1) != interval(values)


def test_generators_of_two_purposes_differ() -> None:
    a, b = (bootstrap_generator(0, purpose).integers(2**62) for purpose in ("pres", "div"))
    assert a != b


def test_clusters_that_agree_inside_give_the_interval_of_their_means() -> None:
    means = normal(12, 3)
    repeated, names = np.repeat(means, 5), np.repeat([f"p{i:02d}" for i in range(12)], 5)
    clustered = cluster_bootstrap(
        repeated, names, draws=2000, confidence=0.95, generator=bootstrap_generator(0, "test")
    )
    by_prompt, by_image = interval(means), interval(repeated)
    assert (clustered.low, clustered.high) == pytest.approx((by_prompt.low, by_prompt.high))
    assert clustered.high - clustered.low > 1.8 * (by_image.high - by_image.low)


def test_order_of_the_pictures_does_not_move_a_cluster_interval() -> None:
    values, names = normal(30, 4), np.array([f"p{i % 6}" for i in range(30)])
    order = np.random.Generator(np.random.PCG64(5)).permutation(30)
    first, second = (
        cluster_bootstrap(v, n, draws=500, confidence=0.95, generator=bootstrap_generator(0, "test"))
        for v, n in ((values, names), (values[order], names[order]))
    )
    assert (first.low, first.high) == pytest.approx((second.low, second.high))


def test_one_prompt_alone_has_no_interval() -> None:
    generator = bootstrap_generator(0, "test")
    assert cluster_bootstrap(normal(8, 1), ["p"] * 8, draws=10, confidence=0.95, generator=generator) is None
    assert interval(np.array([0.5])) is None


@pytest.mark.parametrize(
    ("values", "clusters", "draws", "confidence"),
    [
        ([0.1, np.nan], ["a", "b"], 10, 0.95),
        ([0.1, 0.2], ["a"], 10, 0.95),
        ([0.1, 0.2], ["a", "b"], 0, 0.95),
        ([0.1, 0.2], ["a", "b"], 10, 95.0),
    ],
)
def test_undefined_bootstraps_are_refused(values, clusters, draws, confidence) -> None:
    with pytest.raises(NumericsError):
        cluster_bootstrap(
            np.array(values),
            clusters,
            draws=draws,
            confidence=confidence,
            generator=bootstrap_generator(0, "test"),
        )
