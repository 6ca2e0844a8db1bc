import numpy as np
import pytest

from moongate.errors import NumericsError
from moongate.metrics.distribution import kid, kid_paired, mmd2, mmd_rbf, polynomial_kernel, rbf_kernel

WIDTH = 24


def draw(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rows = np.random.Generator(np.random.PCG64(seed)).normal(size=(n, WIDTH))
    rows[:, 0] += shift
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def unbiased_by_loops(x: np.ndarray, y: np.ndarray, kernel) -> float:
    m, n = len(x), len(y)
    within_x = np.mean([kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j])
    within_y = np.mean([kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j])
    return within_x + within_y - 2 * np.mean([kernel(a, b) for a in x for b in y])


def test_kid_is_the_unbiased_estimate_written_out_as_loops() -> None:
    x, y = draw(11, 1), draw(14, 2, shift=1.0)
    expected = unbiased_by_loops(x, y, lambda a, b: (a @ b / WIDTH + 1) ** 3)
    assert kid(x, y, gamma=1 / WIDTH).value == pytest.approx(expected, abs=1e-13)


def test_mmd_rbf_is_the_unbiased_estimate_written_out_as_loops() -> None:
    x, y = draw(12, 1), draw(10, 2, shift=1.0)
    expected = unbiased_by_loops(x, y, lambda a, b: np.exp(-np.sum((a - b) ** 2) / (2 * 0.7**2)))
    assert mmd_rbf(x, y, sigma=0.7).value == pytest.approx(expected, abs=1e-13)


def test_kid_of_one_distribution_is_zero_on_average_and_its_interval_covers_zero() -> None:
    found = [kid(draw(32, 2 * i), draw(32, 2 * i + 1), gamma=1.0) for i in range(300)]
    values = np.array([f.value for f in found])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(300)
    covered = [f.interval(0.95).low <= 0.0 <= f.interval(0.95).high for f in found]
    assert np.mean(covered) >= 0.93


def test_kid_of_two_distributions_has_an_interval_above_zero() -> None:
    interval = kid(draw(32, 1), draw(32, 2, shift=2.0), gamma=1.0).interval(0.95)
    assert interval.low > 0


def test_jackknife_error_matches_the_spread_over_repeated_draws_away_from_zero() -> None:
    found = [kid(draw(40, 2 * i), draw(30, 2 * i + 1, shift=2.0), gamma=1.0) for i in range(300)]
    spread = np.std([f.value for f in found])
    assert np.mean([f.standard_error for f in found]) == pytest.approx(spread, rel=0.15)


def test_jackknife_error_equals_leaving_rows_out_by_hand() -> None:
    x, y = draw(11, 3), draw(13, 4, shift=1.0)

    def value(a: np.ndarray, b: np.ndarray) -> float:
        return mmd2(*(polynomial_kernel(p, q, gamma=1.0) for p, q in ((a, a), (b, b), (a, b)))).value

    out_x = np.array([value(np.delete(x, i, 0), y) for i in range(11)])
    out_y = np.array([value(x, np.delete(y, i, 0)) for i in range(13)])
    variance = 10 * out_x.var() + 12 * out_y.var()
    assert kid(x, y, gamma=1.0).standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_paired_kid_of_a_model_with_itself_at_the_same_seeds_is_exactly_zero() -> None:
    x = draw(20, 5)
    assert kid_paired(x, x, gamma=1.0).value == pytest.approx(0.0, abs=1e-14)
    assert kid(x, x, gamma=1.0).value < -0.01


def test_paired_kid_agrees_on_average_with_kid_of_independent_draws() -> None:
    paired, independent = [], []
    for i in range(300):
        noise = np.random.Generator(np.random.PCG64(i)).normal(size=(24, WIDTH))
        other = noise + 0.3 * draw(24, 1000 + i)
        other[:, 0] += 1.5
        far = np.random.Generator(np.random.PCG64(5000 + i)).normal(size=(24, WIDTH)) + 0.3 * draw(
            24, 9000 + i
        )
        far[:, 0] += 1.5
        paired.append(kid_paired(noise, other, gamma=1 / WIDTH).value)
        independent.append(kid(noise, far, gamma=1 / WIDTH).value)
    error = np.hypot(np.std(paired), np.std(independent)) / np.sqrt(300)
    assert np.mean(paired) == pytest.approx(np.mean(independent), abs=3 * error)


def test_a_set_too_small_to_judge_is_refused_with_a_status() -> None:
    found = kid(draw(9, 1), draw(50, 2), gamma=1.0)
    assert (found.value, found.standard_error, found.n, found.status) == (None, None, 9, "too_few")
    assert found.interval(0.95) is None
    assert mmd_rbf(draw(50, 1), draw(3, 2), sigma=1.0).status == "too_few"


@pytest.mark.parametrize(
    "measure", [lambda x, y: kid(x, y, gamma=1.0), lambda x, y: mmd_rbf(x, y, sigma=1.0)]
)
def test_one_non_finite_feature_is_an_error_and_not_a_number(measure) -> None:
    spoiled = draw(12, 1)
    spoiled[4, 2] = np.nan
    with pytest.raises(NumericsError):
        measure(spoiled, draw(12, 2))


def test_unequal_sets_cannot_be_paired() -> None:
    with pytest.raises(NumericsError, match="paired"):
        kid_paired(draw(12, 1), draw(13, 2), gamma=1.0)


def test_rbf_kernel_is_one_on_the_diagonal() -> None:
    np.testing.assert_allclose(np.diag(rbf_kernel(draw(5, 1), draw(5, 1), sigma=0.01)), 1.0, atol=1e-9)
