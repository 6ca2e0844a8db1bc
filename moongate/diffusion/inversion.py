"""DDIM inversion: a walk up a transition table, with the same move as sampling.

Sampling's move t -> p uses epsilon(x_t, t). To undo it exactly is to solve x_t = F(x_p, epsilon(x_t, t)),
where F is `ddim_transition` in the other direction. Plain inversion puts x_p in the place of the unknown x_t;
fixed-point inversion iterates. In both the network is told t, the level that its epsilon belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from moongate.diffusion.ddim import ddim_transition, predict_epsilon, remove_noise
from moongate.diffusion.samplers import Denoise, OnStep
from moongate.diffusion.schedule import NoiseSchedule, Transition, TransitionTable
from moongate.errors import ConfigError, ModelError


def invert(
    denoise: Denoise,
    z_0: Tensor,
    schedule: NoiseSchedule,
    table: TransitionTable,
    *,
    on_step: OnStep | None = None,
) -> Tensor:
    """Return z_T, (B, C, h, w) float64, from which deterministic sampling leads back to about z_0.

    One network evaluation a step. Rounded to float32, z_T alone would move z_0 by up to 2^-24 |z_T| / sqrt of
    the top level's alphabar, which is 1e-5 and more where little signal is kept.

    Args:
        denoise: the network, at guidance 1.
        z_0: (B, C, h, w) float32.
        schedule: the noise levels.
        table: the moves in sampling order; read upwards here.
        on_step: told of every step, counted from the clean end.

    Raises:
        ModelError: when the table reaches a level that keeps no signal.
    """
    x = z_0.double()
    for i, row in enumerate(_upwards(schedule, table)):
        epsilon = _epsilon_at(schedule, row.t_destination, x, denoise(x, row.t_destination))
        x = _raise(schedule, row, x, epsilon)
        if on_step is not None:
            on_step(i, x.float())
    return x


class DenoiseRows(Protocol):
    """A network that can be asked about some samples of the batch that it was made for."""

    def __call__(self, x: Tensor, t: int, rows: Tensor) -> Tensor:
        """Return the outputs at x, (B', C, h, w) float64, of the samples `rows` (B',)."""


@dataclass(frozen=True)
class FixedPointInversion:
    """An inversion each step of which was solved as an equation.

    Attributes:
        z_T: (B, C, h, w) float64, see `invert`.
        residuals: (B, steps) float32, the last accepted ||F(z) - z|| / ||x_p|| of each step.
        iterations: (B, steps) int64, refinements made; a step costs one network evaluation more than that.
        fell_back: (B, steps) bool, where the residual grew and the best iterate so far was kept.
    """

    z_T: Tensor  # noqa: N815 - the notation of the papers
    residuals: Tensor
    iterations: Tensor
    fell_back: Tensor


@dataclass(frozen=True)
class FixedPointRule:
    """When the iteration of a step ends.

    Attributes:
        max_iterations: refinements a step at most, 1 or more.
        tolerance: relative residual at which a sample is done, 0 or more.
    """

    max_iterations: int
    tolerance: float

    def __post_init__(self) -> None:
        if self.max_iterations < 1 or self.tolerance < 0:
            raise ConfigError(
                "fixed-point inversion cannot run by this rule",
                where="invert.refinement_iterations, invert.tolerance",
                why=f"they are {self.max_iterations} and {self.tolerance}",
                fix="allow 1 iteration or more and a tolerance of 0 or more, or use plain inversion",
            )


def invert_fixed_point(
    denoise: DenoiseRows,
    z_0: Tensor,
    schedule: NoiseSchedule,
    table: TransitionTable,
    *,
    rule: FixedPointRule,
    on_step: OnStep | None = None,
) -> FixedPointInversion:
    """Invert, solving x_t = F(x_p, epsilon(x_t, t)) in each step by iterating z <- F(x_p, epsilon(z, t)).

    The first iterate is plain inversion's. A sample leaves the batch when its relative residual is within the
    tolerance, or when the residual grows: it then keeps the iterate with the smallest one.

    Args:
        denoise: the network, at guidance 1.
        z_0: (B, C, h, w) float32.
        schedule: the noise levels.
        table: the moves in sampling order; read upwards here.
        rule: when the iteration of a step ends.
        on_step: told of every step, counted from the clean end.

    Raises:
        ModelError: when the table reaches a level that keeps no signal.
    """
    x = z_0.double()
    steps = []
    for i, row in enumerate(_upwards(schedule, table)):
        step = _solve(_Equation(denoise, schedule, row, x), rule)
        steps.append(step)
        x = step.z
        if on_step is not None:
            on_step(i, x.float())
    return FixedPointInversion(
        z_T=x,
        residuals=torch.stack([step.residual for step in steps], dim=1).float(),
        iterations=torch.stack([step.iterations for step in steps], dim=1),
        fell_back=torch.stack([step.fell_back for step in steps], dim=1),
    )


@dataclass(frozen=True)
class _Equation:
    """z = F(x_p, epsilon(z, t)) of one step, for a batch."""

    denoise: DenoiseRows
    schedule: NoiseSchedule
    row: Transition
    x_p: Tensor

    def right_side(self, z: Tensor, rows: Tensor) -> Tensor:
        """Return F(x_p, epsilon(z, t)) for the samples `rows`."""
        t = self.row.t_destination
        epsilon = _epsilon_at(self.schedule, t, z, self.denoise(z, t, rows))
        return _raise(self.schedule, self.row, self.x_p[rows], epsilon)

    def residual(self, z: Tensor, refined: Tensor, rows: Tensor) -> Tensor:
        """Return ||refined - z|| / ||x_p|| for the samples `rows`, (B',)."""
        # Not relative to z: a diverging z grows as fast as its changes, and would never be found out.
        return (refined - z).flatten(1).norm(dim=1) / self.x_p[rows].flatten(1).norm(dim=1)


@dataclass(frozen=True)
class _Solution:
    z: Tensor
    residual: Tensor
    iterations: Tensor
    fell_back: Tensor


def _solve(equation: _Equation, rule: FixedPointRule) -> _Solution:
    x_p = equation.x_p
    active = torch.arange(len(x_p), device=x_p.device)
    z = equation.right_side(x_p, active)
    found = _Solution(
        z=z.clone(),
        residual=equation.residual(x_p, z, active),
        iterations=torch.zeros_like(active),
        fell_back=torch.zeros_like(active, dtype=torch.bool),
    )
    best, best_residual = z, found.residual
    for iteration in range(1, rule.max_iterations + 1):
        refined = equation.right_side(z, active)
        residual = equation.residual(z, refined, active)
        converged = residual <= rule.tolerance
        # Written so that a residual that is not a number counts as grown.
        grew = ~converged & ~(residual <= best_residual)
        # The first iterate has no better one before it: x_p, which it came from, is at another level.
        kept_residual = residual if iteration == 1 else best_residual
        found.z[active] = torch.where(_per_sample(grew, z), best, refined)
        found.residual[active] = torch.where(grew, kept_residual, residual)
        found.iterations[active] = iteration
        found.fell_back[active] = grew
        stays = ~converged & ~grew
        if not bool(stays.any()):
            break
        active, best, z, best_residual = active[stays], z[stays], refined[stays], residual[stays]
    return found


def _per_sample(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (like.ndim - 1))


def _epsilon_at(schedule: NoiseSchedule, t: int, z: Tensor, model_output: Tensor) -> Tensor:
    return predict_epsilon(model_output.to(z), z, schedule.alpha_bar(t), schedule.prediction_type)


def _raise(schedule: NoiseSchedule, row: Transition, x_p: Tensor, epsilon: Tensor) -> Tensor:
    """Return F(x_p, epsilon): the move of sampling, from the cleaner level to the noisier one."""
    x_0 = remove_noise(x_p, epsilon, schedule.alpha_bar(row.t_source))
    return ddim_transition(x_0, epsilon, schedule.alpha_bar(row.t_destination))


def _upwards(schedule: NoiseSchedule, table: TransitionTable) -> Iterator[Transition]:
    top = table.rows[0].t_source
    if schedule.alpha_bar(top) == 0:
        raise ModelError(
            "this schedule cannot be inverted",
            where=f"scheduler_config.json: rescale_betas_zero_snr with {schedule.timestep_spacing} spacing",
            why=f"level {top} keeps no signal (alphabar is 0), so all pictures look alike there",
            fix='use a copy of the model with "timestep_spacing": "leading", which stops below that level',
        )
    return iter(table.reversed().rows)
