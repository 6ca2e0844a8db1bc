import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from moongate.diffusion.inversion import FixedPointInversion, FixedPointRule, invert, invert_fixed_point
from moongate.diffusion.noise import gaussian_batch
from moongate.diffusion.samplers import Ddim, Denoise, sample
from moongate.diffusion.schedule import NoiseSchedule, TransitionTable, timestep_table
from moongate.errors import ConfigError, ModelError
from tests.diffusion.test_scheduler_config import SD1

SHAPE = (4, 8, 8)
RULE = FixedPointRule(max_iterations=8, tolerance=1e-6)


def schedule_of(**changes: Any) -> NoiseSchedule:
    return NoiseSchedule.from_scheduler_config(SD1 | changes)


def as_output(schedule: NoiseSchedule, epsilon: Tensor, x: Tensor, t: int) -> Tensor:
    """The network output that stands for this noise prediction at (x, t)."""
    a = schedule.alpha_bar(t)
    if schedule.prediction_type == "epsilon":
        return epsilon
    return (epsilon - (1 - a) ** 0.5 * x) / a**0.5


def replaying(schedule: NoiseSchedule, table: TransitionTable) -> Denoise:
    """A network whose noise predictions were recorded: one for each level, whatever the state is."""
    recorded = {row.t_source: gaussian_batch(SHAPE, 0, "recorded", [0], row.t_source) for row in table.rows}
    return lambda x, t: as_output(schedule, recorded[t].expand_as(x), x, t)


def ideal(schedule: NoiseSchedule, variance: float) -> Denoise:
    """The network that is right for normal data of this variance: the expected noise has a closed form."""

    def denoise(x: Tensor, t: int) -> Tensor:
        a = schedule.alpha_bar(t)
        return as_output(schedule, x * (1 - a) ** 0.5 / (a * variance + 1 - a), x, t)

    return denoise


def refine(
    denoise: Denoise, z_0: Tensor, schedule: NoiseSchedule, steps: int, **rule: Any
) -> FixedPointInversion:
    limits = FixedPointRule(**({"max_iterations": 8, "tolerance": 1e-6} | rule))
    table = timestep_table(schedule, steps)
    return invert_fixed_point(lambda x, t, rows: denoise(x, t), z_0, schedule, table, rule=limits)


def round_trip_error(
    denoise: Denoise, z_T: Tensor, z_0: Tensor, schedule: NoiseSchedule, steps: int
) -> float:
    back = sample(denoise, z_T, schedule, timestep_table(schedule, steps), sampler=Ddim())
    return float((back - z_0).norm() / z_0.norm())


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("changes", [{}, {"steps_offset": 0}, {"set_alpha_to_one": True}])
@pytest.mark.parametrize("num_steps", [2, 3, 7, 30, 50, 333, 999])
def test_inversion_then_sampling_with_replayed_noise_predictions_is_exact(
    prediction_type: str, spacing: str, changes: dict[str, Any], num_steps: int
) -> None:
    schedule = schedule_of(prediction_type=prediction_type, timestep_spacing=spacing, **changes)
    table = timestep_table(schedule, num_steps)
    denoise = replaying(schedule, table)
    z_0 = gaussian_batch(SHAPE, 0, "z_0", [0])
    z_T = invert(denoise, z_0, schedule, table)
    back = sample(denoise, z_T, schedule, table, sampler=Ddim())
    assert (back - z_0).abs().max() < 1e-5


def test_network_is_told_the_level_that_its_noise_belongs_to_in_both_directions() -> None:
    schedule = schedule_of()
    table = timestep_table(schedule, 5)
    told: list[int] = []

    def denoise(x: Tensor, t: int) -> Tensor:
        told.append(t)
        return x

    z = gaussian_batch(SHAPE, 0, "z", [0])
    sample(denoise, z, schedule, table, sampler=Ddim())
    invert(denoise, z, schedule, table)
    assert told == [801, 601, 401, 201, 1, 1, 201, 401, 601, 801]


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("variance", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_fixed_point_inversion_beats_plain_inversion(
    prediction_type: str, variance: float, spacing: str
) -> None:
    schedule = schedule_of(prediction_type=prediction_type, timestep_spacing=spacing)
    denoise = ideal(schedule, variance)
    z_0 = variance**0.5 * gaussian_batch(SHAPE, 0, "z_0", [0, 1])
    plain = invert(denoise, z_0, schedule, timestep_table(schedule, 50))
    refined = refine(denoise, z_0, schedule, 50)
    plain_error = round_trip_error(denoise, plain, z_0, schedule, 50)
    refined_error = round_trip_error(denoise, refined.z_T, z_0, schedule, 50)
    assert refined_error < 2e-5
    assert refined_error < plain_error / 20
    assert not refined.fell_back.any()


def test_one_more_refinement_is_one_more_step_towards_the_solution() -> None:
    schedule = schedule_of()
    denoise = ideal(schedule, 0.25)
    z_0 = 0.5 * gaussian_batch(SHAPE, 0, "z_0", [0])
    found = [refine(denoise, z_0, schedule, 20, max_iterations=k, tolerance=0.0) for k in (1, 2, 3, 4)]
    worst = [float(inversion.residuals.max()) for inversion in found]
    errors = [round_trip_error(denoise, inversion.z_T, z_0, schedule, 20) for inversion in found]
    assert all(later < earlier / 2 for earlier, later in itertools.pairwise(worst))
    assert all(later < earlier / 2 for earlier, later in itertools.pairwise(errors))
    assert all((inversion.iterations == k).all() for k, inversion in enumerate(found, start=1))


def test_refinement_ends_within_the_tolerance() -> None:
    schedule = schedule_of()
    found = refine(ideal(schedule, 0.25), gaussian_batch(SHAPE, 0, "z_0", [0]), schedule, 20, tolerance=1e-3)
    assert (found.residuals <= 1e-3).all()
    assert found.iterations.min() == 1 < found.iterations.max() < 8


def stiff(schedule: NoiseSchedule) -> Callable[[Tensor, int, Tensor], Tensor]:
    """Row 0 is ideal, row 1 answers so strongly to the state that the iteration diverges."""
    calm = ideal(schedule, 1.0)

    def denoise(x: Tensor, t: int, rows: Tensor) -> Tensor:
        wild = torch.where(rows == 1, 40.0, 1.0).reshape(-1, 1, 1, 1)
        return calm(x, t) * wild

    return denoise


def test_sample_that_diverges_falls_back_and_leaves_the_others_alone() -> None:
    schedule = schedule_of()
    table = timestep_table(schedule, 10)
    z_0 = gaussian_batch(SHAPE, 0, "z_0", [0, 1])
    both = invert_fixed_point(stiff(schedule), z_0, schedule, table, rule=RULE)
    alone = invert_fixed_point(stiff(schedule), z_0[:1], schedule, table, rule=RULE)
    assert both.fell_back[1].any()
    assert not both.fell_back[0].any()
    torch.testing.assert_close(both.z_T[:1], alone.z_T)
    assert torch.equal(both.iterations[:1], alone.iterations)


def test_step_that_diverges_at_once_is_plain_inversions() -> None:
    schedule = schedule_of()
    z_0 = gaussian_batch(SHAPE, 0, "z_0", [0, 1])[1:]

    def denoise(x: Tensor, t: int) -> Tensor:
        return 40 * ideal(schedule, 1.0)(x, t)

    found = refine(denoise, z_0, schedule, 2)
    assert found.fell_back[0, -1]
    assert found.iterations[0, -1] == 1
    step = timestep_table(schedule, 2).rows[0]
    after_first: list[Tensor] = []
    table = timestep_table(schedule, 2)
    invert_fixed_point(
        lambda x, t, rows: denoise(x, t),
        z_0,
        schedule,
        table,
        rule=RULE,
        on_step=lambda i, x: after_first.append(x),
    )
    expected = invert(denoise, after_first[0], schedule, TransitionTable((step,)))
    torch.testing.assert_close(found.z_T, expected)


def test_numbers_that_are_lost_count_as_divergence() -> None:
    schedule = schedule_of()
    calls: list[int] = []

    def denoise(x: Tensor, t: int) -> Tensor:
        calls.append(t)
        return x * float("nan") if calls.count(t) > 1 else x * 0.1

    found = refine(denoise, gaussian_batch(SHAPE, 0, "z_0", [0]), schedule, 4)
    assert found.fell_back.all()
    assert found.z_T.isfinite().all()


def test_samples_that_are_done_leave_the_batch() -> None:
    schedule = schedule_of()
    sizes: list[int] = []
    inner = ideal(schedule, 0.25)

    def denoise(x: Tensor, t: int, rows: Tensor) -> Tensor:
        sizes.append(len(x))
        assert len(rows) == len(x)
        # Row 0's noise does not depend on its state at all: it is solved by the first iterate.
        fixed = (rows == 0).reshape(-1, 1, 1, 1)
        return torch.where(fixed, torch.ones_like(x), inner(x, t))

    z_0 = gaussian_batch(SHAPE, 0, "z_0", [0, 1])
    found = invert_fixed_point(denoise, z_0, schedule, timestep_table(schedule, 5), rule=RULE)
    assert (found.iterations[0] == 1).all()
    assert found.iterations[1].max() > 1
    assert sum(sizes) == int((found.iterations + 1).sum())


def test_levels_without_signal_cannot_be_inverted_into() -> None:
    changes = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    to_the_last = schedule_of(timestep_spacing="trailing", **changes)
    z_0 = gaussian_batch(SHAPE, 0, "z_0", [0])
    with pytest.raises(ModelError, match="cannot be inverted"):
        invert(lambda x, t: x, z_0, to_the_last, timestep_table(to_the_last, 10))
    below = schedule_of(timestep_spacing="leading", **changes)
    assert invert(lambda x, t: 0.1 * x, z_0, below, timestep_table(below, 10)).isfinite().all()


@pytest.mark.parametrize(
    "rule", [{"max_iterations": 0, "tolerance": 0.1}, {"max_iterations": 2, "tolerance": -1}]
)
def test_rules_that_cannot_work_are_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot run by this rule"):
        FixedPointRule(**rule)
