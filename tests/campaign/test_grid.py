import pytest

from moongate.campaign.grid import Axis, combinations
from moongate.errors import ConfigError

AXES = [Axis.parse("train.steps=100, 200,400"), Axis.parse("train.learning_rate=5e-5,1e-4")]


def test_a_grid_is_every_combination_once() -> None:
    found = combinations(AXES, None, seed=0)
    assert found[:2] == (
        ("train.steps=100", "train.learning_rate=5e-5"),
        ("train.steps=100", "train.learning_rate=1e-4"),
    )
    assert len(set(found)) == len(found) == 6


def test_a_random_sweep_draws_different_combinations_of_the_grid_by_its_seed() -> None:
    drawn = [combinations(AXES, 3, seed) for seed in range(20)]
    for chosen in drawn:
        assert len(set(chosen)) == 3
        assert set(chosen) <= set(combinations(AXES, None, 0))
    assert combinations(AXES, 3, 7) == drawn[7]
    assert len(set(drawn)) > 5


@pytest.mark.parametrize("count", [0, 7])
def test_more_or_fewer_than_there_are_cannot_be_drawn(count: int) -> None:
    with pytest.raises(ConfigError, match=f"{count} of 6"):
        combinations(AXES, count, seed=0)


@pytest.mark.parametrize("count", [None, 1])
def test_a_setting_that_two_axes_vary_is_refused(count: int | None) -> None:
    with pytest.raises(ConfigError, match="two axes vary train.steps") as caught:
        combinations([*AXES, Axis.parse("train.steps=800")], count, seed=0)
    assert caught.value.where == "--grid train.steps=100,200,400 --grid train.steps=800"


@pytest.mark.parametrize("text", ["train.steps", "train.steps=", "train.steps=1,,2", "train.steps=1,1"])
def test_an_axis_without_proper_values_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no axis"):
        Axis.parse(text)


def test_an_axis_of_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="no setting 'train.stepz'"):
        Axis.parse("train.stepz=1,2")


def test_the_seed_is_no_axis_for_a_run_would_confirm_itself() -> None:
    with pytest.raises(ConfigError, match="the seed is no axis of a sweep") as caught:
        Axis.parse("seed=0,1,2")
    assert "--confirm-seed" in caught.value.fix
