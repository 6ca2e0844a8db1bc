"""Sampling: a walk down a transition table. Inversion, the walk up, lies beside this in `inversion.py`.

The network is seen as a function of (x, t), and noise is handed in. The state is float64: it costs nothing
beside the network, and over 999 steps float32 rounding alone would reach 4e-5. Rounding for the network's own
arithmetic is the network's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from moongate.diffusion.ddim import (
    ddim_sigma,
    ddim_transition,
    ddpm_sigma,
    ddpm_transition,
    predict_x0_epsilon,
)
from moongate.diffusion.schedule import CLEAN, NoiseSchedule, TransitionTable
from moongate.errors import ConfigError

# (x: (B, C, h, w) float64, t) -> the network's output, (B, C, h, w) float32 or float64.
Denoise = Callable[[Tensor, int], Tensor]
# The step number, from 0 -> (B, C, h, w) float32 standard normal noise.
StepNoise = Callable[[int], Tensor]
# The step number, from 0, and the state after it, (B, C, h, w) float32.
OnStep = Callable[[int, Tensor], None]


class Sampler(Protocol):
    """A rule for one move towards less noise."""

    def level(self, schedule: NoiseSchedule, t: int) -> float:
        """Return alphabar at level t of -1..T-1 as this rule defines it."""

    def sigma(self, a_s: float, a_d: float) -> float:
        """Return the noise scale of the move; 0 when it needs no noise."""

    def move(
        self, x_s: Tensor, x_0: Tensor, epsilon: Tensor, a_s: float, a_d: float, noise: Tensor | None
    ) -> Tensor:
        """Return x_d, (B, C, h, w) float64."""


@dataclass(frozen=True)
class Ddim:
    """Song et al. 2021, eq. 12. `eta` is 0 (deterministic) to 1 (as noisy as DDPM)."""

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ConfigError(
                "eta is out of range", where="eta", why=f"it is {self.eta}", fix="choose 0 (DDIM) to 1 (DDPM)"
            )

    def level(self, schedule: NoiseSchedule, t: int) -> float:
        """Return alphabar, that of the model's own clean end at t = -1."""
        return schedule.alpha_bar(t)

    def sigma(self, a_s: float, a_d: float) -> float:
        """Return eq. 16."""
        return ddim_sigma(a_s, a_d, self.eta)

    def move(
        self, x_s: Tensor, x_0: Tensor, epsilon: Tensor, a_s: float, a_d: float, noise: Tensor | None
    ) -> Tensor:
        """Return eq. 12."""
        return ddim_transition(x_0, epsilon, a_d, self.sigma(a_s, a_d), noise)


@dataclass(frozen=True)
class Ddpm:
    """Ho et al. 2020, algorithm 2, over the levels of the table."""

    def level(self, schedule: NoiseSchedule, t: int) -> float:
        """Return alphabar, which DDPM defines as 1 at its end: the last step adds no noise."""
        return 1.0 if t == CLEAN else schedule.alpha_bar(t)

    def sigma(self, a_s: float, a_d: float) -> float:
        """Return the root of the posterior variance."""
        return ddpm_sigma(a_s, a_d)

    def move(
        self, x_s: Tensor, x_0: Tensor, epsilon: Tensor, a_s: float, a_d: float, noise: Tensor | None
    ) -> Tensor:
        """Return a draw of the posterior."""
        return ddpm_transition(x_s, x_0, a_s, a_d, noise)


def sample(
    denoise: Denoise,
    z_T: Tensor,
    schedule: NoiseSchedule,
    table: TransitionTable,
    *,
    sampler: Sampler,
    noise: StepNoise | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Return z_0, (B, C, h, w) float32: the end of the walk from z_T down the table.

    Args:
        denoise: the network.
        z_T: (B, C, h, w) float32 or float64, standard normal, or the end of an inversion.
        schedule: the noise levels.
        table: the moves, in sampling order.
        sampler: the rule of a move.
        noise: the noise of each step; needed when the rule adds any.
        on_step: told of every step.

    Raises:
        ConfigError: when the rule adds noise and none is given.
    """
    x = z_T.double()
    for i, row in enumerate(table.rows):
        a_s, a_d = sampler.level(schedule, row.t_source), sampler.level(schedule, row.t_destination)
        x_0, epsilon = _predict(denoise, x, row.t_source, a_s, schedule)
        step_noise = _noise_of(noise, i, x) if sampler.sigma(a_s, a_d) > 0 else None
        x = sampler.move(x, x_0, epsilon, a_s, a_d, step_noise)
        if on_step is not None:
            on_step(i, x.float())
    return x.float()


def _predict(
    denoise: Denoise, x: Tensor, t: int, alpha_bar: float, schedule: NoiseSchedule
) -> tuple[Tensor, Tensor]:
    model_output = denoise(x, t).to(x)
    return predict_x0_epsilon(model_output, x, alpha_bar, schedule.prediction_type)


def _noise_of(noise: StepNoise | None, step: int, like: Tensor) -> Tensor:
    if noise is None:
        raise ConfigError(
            "the sampler adds noise, and none is given",
            where=f"sample, step {step}",
            why="eta is above 0 or the sampler is DDPM, and noise is never drawn from a global generator",
            fix="pass noise=, for instance from moongate.diffusion.noise.gaussian_batch",
        )
    return noise(step).to(like)
