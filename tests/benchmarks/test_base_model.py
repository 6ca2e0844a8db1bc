import pytest

from benchmarks.base_model import drawn_figures, judge_figures, outcomes, vae_figure


def test_a_share_of_single_outcomes_is_that_share() -> None:
    assert outcomes(0.953, 1000).mean() == pytest.approx(0.953)
    assert set(outcomes(0.5, 10)) == {0.0, 1.0}


def test_each_attribute_is_held_to_its_own_target() -> None:
    drawn = drawn_figures((0.96, 0.85, 0.95), 1000)
    assert [figure.is_met for figure in drawn] == [True, False, True]
    assert [figure.is_met for figure in judge_figures((0.99, 0.995, 0.98), 1000)] == [True, True, False]


def test_the_interval_of_a_share_is_that_of_a_binomial() -> None:
    figure = drawn_figures((0.9, 0.9, 0.9), 1000)[0]
    assert figure.low == pytest.approx(0.9 - 1.96 * (0.09 / 1000) ** 0.5, abs=3e-3)
    assert figure.high == pytest.approx(0.9 + 1.96 * (0.09 / 1000) ** 0.5, abs=3e-3)


def test_the_autoencoder_is_judged_by_the_mean_over_pictures() -> None:
    figure = vae_figure([28.0, 30.0, 31.0])
    assert figure.value == pytest.approx(89 / 3)
    assert figure.shortfall() == pytest.approx(1 / 3)
