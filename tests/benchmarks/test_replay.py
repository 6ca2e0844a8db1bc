from typing import get_args

import pytest

from benchmarks.inversion import replay_figure, step_counts
from benchmarks.replay import Replay, replay_all, round_trip_error
from moongate.diffusion.schedule import NoiseSchedule
from moongate.diffusion.scheduler_config import PredictionType, TimestepSpacing
from moongate.progress import Silent
from tests.diffusion.test_scheduler_config import SD1


def test_every_kind_of_schedule_is_replayed_and_step_counts_that_it_refuses_are_counted() -> None:
    schedule = NoiseSchedule.from_scheduler_config(SD1)
    found = list(replay_all(schedule, (1, 2, 7, 50), Silent()))
    kinds = {(one.spacing, one.prediction_type) for one in found}
    assert kinds == {(s, p) for s in get_args(TimestepSpacing) for p in get_args(PredictionType)}
    refused = {one.spacing: one.refused for one in found}
    assert refused == {"leading": 0, "trailing": 0, "linspace": 1}
    assert all(one.worst is not None and one.worst < 1e-5 for one in found)


def test_more_steps_than_levels_are_no_measurement() -> None:
    assert round_trip_error(NoiseSchedule.from_scheduler_config(SD1), 1001) is None


def test_an_inexact_replay_misses_its_target_by_the_excess() -> None:
    figure = replay_figure(Replay("leading", "epsilon", 3e-5, 7, 10, 0))
    assert figure.is_met is False
    assert figure.shortfall() == pytest.approx(2e-5)


def test_small_step_counts_are_all_replayed_and_so_is_the_largest() -> None:
    counts = step_counts(1000, 10)
    assert set(range(1, 101)) | {110, 990, 1000} <= set(counts)
    assert 101 not in counts
    assert step_counts(1000, 1) == tuple(range(1, 1001))
    assert step_counts(20, 10) == tuple(range(1, 21))
