"""Inversion then sampling with recorded noise predictions: exact, whatever the schedule and the step count.

Both directions are the same formula (Song et al. 2021, eq. 12) over the same table of moves. With the network
replaced by predictions that were recorded once for each level, what is left is the arithmetic alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import get_args

from torch import Tensor

from moongate.diffusion.inversion import invert
from moongate.diffusion.noise import gaussian_batch
from moongate.diffusion.samplers import Ddim, Denoise, sample
from moongate.diffusion.schedule import NoiseSchedule, timestep_table
from moongate.diffusion.scheduler_config import PredictionType, TimestepSpacing
from moongate.errors import ConfigError, ModelError
from moongate.progress import Progress

SHAPE = (4, 4, 4)


@dataclass(frozen=True)
class Replay:
    """All step counts of one kind of schedule.

    Attributes:
        spacing, prediction_type: what the schedule was changed to.
        worst: the greatest absolute error of any element at any step count; None when all were refused.
        worst_steps: the step count it belongs to.
        tried: step counts that were inverted and drawn again.
        refused: step counts that the schedule does not allow.
    """

    spacing: TimestepSpacing
    prediction_type: PredictionType
    worst: float | None
    worst_steps: int | None
    tried: int
    refused: int


def replay_all(schedule: NoiseSchedule, counts: Sequence[int], progress: Progress) -> Iterator[Replay]:
    """Replay every spacing and prediction type of `schedule` with each of `counts` steps."""
    kinds = list(product(get_args(TimestepSpacing), get_args(PredictionType)))
    with progress.track("replay", len(kinds) * sum(counts)) as advance:
        for spacing, prediction_type in kinds:
            changed = replace(schedule, timestep_spacing=spacing, prediction_type=prediction_type)
            errors: dict[int, float] = {}
            for count in counts:
                if (error := round_trip_error(changed, count)) is not None:
                    errors[count] = error
                advance(count)
            yield _summary(spacing, prediction_type, errors, refused=len(counts) - len(errors))


def round_trip_error(schedule: NoiseSchedule, num_steps: int) -> float | None:
    """Return the greatest absolute error of inversion then sampling; None when the schedule refuses it."""
    try:
        table = timestep_table(schedule, num_steps)
        denoise = replaying(schedule)
        z_0 = gaussian_batch(SHAPE, 0, "replayed z_0", [0])
        z_T = invert(denoise, z_0, schedule, table)
    except (ConfigError, ModelError):
        return None
    back = sample(denoise, z_T, schedule, table, sampler=Ddim())
    return float((back - z_0).abs().max())


def replaying(schedule: NoiseSchedule) -> Denoise:
    """Return a network whose noise prediction depends on the level alone: (1, *SHAPE) standard normal."""

    def denoise(x: Tensor, t: int) -> Tensor:
        epsilon = _recorded(t)
        if schedule.prediction_type == "epsilon":
            return epsilon
        a = schedule.alpha_bar(t)
        return (epsilon - (1 - a) ** 0.5 * x) / a**0.5

    return denoise


@cache
def _recorded(t: int) -> Tensor:
    return gaussian_batch(SHAPE, 0, "replayed", [0], t)


def _summary(
    spacing: TimestepSpacing, prediction_type: PredictionType, errors: dict[int, float], refused: int
) -> Replay:
    worst_steps = max(errors, key=errors.__getitem__, default=None)
    worst = None if worst_steps is None else errors[worst_steps]
    return Replay(spacing, prediction_type, worst, worst_steps, len(errors), refused)
