import numpy as np
import pytest

from moongate.metrics.jackknife import jackknife_variance, normal_interval, pair_mean_without_each
from moongate.metrics.similarity import cosine_matrix


def draw(n: int, seed: int) -> np.ndarray:
    rows = np.random.Generator(np.random.PCG64(seed)).normal(size=(n, 6))
    rows[:, 0] += 2.0
    return rows


def mean_over_pairs(matrix: np.ndarray) -> float:
    return float(matrix[~np.eye(len(matrix), dtype=bool)].mean())


def test_leaving_each_picture_out_equals_dropping_its_row_and_column() -> None:
    pairs = cosine_matrix(draw(7, 0), draw(7, 0))
    expected = [mean_over_pairs(np.delete(np.delete(pairs, i, 0), i, 1)) for i in range(7)]
    np.testing.assert_allclose(pair_mean_without_each(pairs), expected, atol=1e-14)


def test_variance_of_a_plain_mean_is_the_textbook_one() -> None:
    values = draw(12, 1)[:, 0]
    without = (values.sum() - values) / 11
    assert jackknife_variance(without) == pytest.approx(values.var(ddof=1) / 12)


def test_interval_of_a_mean_over_pairs_covers_the_truth_as_often_as_it_says() -> None:
    everything = draw(2000, 99)
    truth = mean_over_pairs(cosine_matrix(everything, everything))
    covered = 0
    for i in range(300):
        pairs = cosine_matrix(draw(32, i), draw(32, i))
        found = normal_interval(
            mean_over_pairs(pairs), jackknife_variance(pair_mean_without_each(pairs)), confidence=0.9
        )
        covered += found.low <= truth <= found.high
    assert 0.84 <= covered / 300 <= 0.96
