import itertools
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from moongate.diffusion.schedule import (
    CLEAN,
    NoiseSchedule,
    Transition,
    TransitionTable,
    add_noise,
    timestep_table,
)
from moongate.errors import ConfigError
from tests.diffusion.test_scheduler_config import SD1

SPACINGS = ["leading", "trailing", "linspace"]


def schedule_of(**changes: Any) -> NoiseSchedule:
    return NoiseSchedule.from_scheduler_config(SD1 | changes)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("num_steps", [2, 4, 10, 25, 30, 50, 200, 500])
def test_levels_are_those_of_diffusers(spacing: str, offset: int, num_steps: int) -> None:
    config = SD1 | {"timestep_spacing": spacing, "steps_offset": offset}
    theirs = DDIMScheduler.from_config(config)
    theirs.set_timesteps(num_steps)
    table = timestep_table(NoiseSchedule.from_scheduler_config(config), num_steps)
    assert [row.t_source for row in table.rows] == theirs.timesteps.tolist()


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("num_steps", range(2, 1000, 7))
def test_tables_fall_without_gaps_to_the_clean_end(spacing: str, num_steps: int) -> None:
    rows = timestep_table(schedule_of(timestep_spacing=spacing), num_steps).rows
    assert len(rows) == num_steps
    assert rows[0].t_source <= 999
    assert rows[-1].t_destination == CLEAN
    assert all(row.t_source > row.t_destination for row in rows)
    assert all(a.t_destination == b.t_source for a, b in itertools.pairwise(rows))


def test_every_training_level_is_visited_at_the_full_number_of_steps() -> None:
    for spacing in SPACINGS:
        table = timestep_table(schedule_of(timestep_spacing=spacing, steps_offset=0), 1000)
        assert [row.t_source for row in table.rows] == list(range(999, -1, -1))


def test_levels_are_spread_over_however_many_the_model_has() -> None:
    table = timestep_table(schedule_of(num_train_timesteps=40, timestep_spacing="trailing"), 4)
    assert table.rows == (Transition(39, 29), Transition(29, 19), Transition(19, 9), Transition(9, CLEAN))


@pytest.mark.parametrize(
    ("changes", "num_steps"),
    [
        ({}, 0),
        ({}, 1001),
        ({"steps_offset": 1}, 1000),
        ({"timestep_spacing": "linspace"}, 1),
    ],
)
def test_impossible_numbers_of_steps_are_refused(changes: dict[str, Any], num_steps: int) -> None:
    with pytest.raises(ConfigError, match=f"{num_steps} steps cannot be placed"):
        timestep_table(schedule_of(**changes), num_steps)


def test_reversed_table_is_the_same_moves_backwards() -> None:
    table = timestep_table(schedule_of(), 3)
    assert table.rows == (Transition(667, 334), Transition(334, 1), Transition(1, CLEAN))
    assert table.reversed().rows == (Transition(CLEAN, 1), Transition(1, 334), Transition(334, 667))
    assert table.reversed().reversed() == table


def test_tables_with_gaps_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="gap"):
        TransitionTable((Transition(900, 800), Transition(790, CLEAN)))


def test_digest_tells_tables_apart() -> None:
    digests = {
        timestep_table(schedule_of(timestep_spacing=s), n).digest() for s in SPACINGS for n in (10, 50)
    }
    assert len(digests) == 6


def test_clean_end_is_clean_or_the_first_level() -> None:
    ends_clean, ends_at_first = schedule_of(set_alpha_to_one=True), schedule_of(set_alpha_to_one=False)
    assert ends_clean.alpha_bar(CLEAN) == 1
    assert ends_at_first.alpha_bar(CLEAN) == ends_at_first.alpha_bar(0) < 1


@pytest.mark.parametrize("t", [-2, 1000])
def test_levels_outside_the_schedule_are_an_error(t: int) -> None:
    with pytest.raises(IndexError):
        schedule_of().alpha_bar(t)


def test_noising_is_that_of_diffusers() -> None:
    generator = torch.Generator().manual_seed(0)
    x_0, epsilon = torch.randn(2, 5, 4, 8, 8, generator=generator)
    timesteps = torch.tensor([0, 1, 500, 998, 999])
    expected = DDIMScheduler.from_config(SD1).add_noise(x_0, epsilon, timesteps)
    ours = add_noise(schedule_of(), x_0, epsilon, timesteps)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
