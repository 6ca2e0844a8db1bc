"""Noise levels, and the table of moves between them that sampling reads downwards and inversion upwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from moongate.diffusion.scheduler_config import PredictionType, SchedulerConfig, TimestepSpacing
from moongate.errors import ConfigError

# The level past the first training level: the end of sampling and the start of inversion.
CLEAN = -1


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """alphabar_t for every training level, and how sampling picks its levels.

    Attributes:
        alphas_cumprod: (T,) float64, alphabar_t, falling.
        prediction_type: what the network predicts.
        final_alpha_cumprod: alphabar at t = -1: 1, or alphabar_0 for models sampled so.
        timestep_spacing: how N levels are chosen from T (Lin et al. 2024, table 2).
        steps_offset: added to every level of "leading" spacing.
    """

    alphas_cumprod: Tensor
    prediction_type: PredictionType
    final_alpha_cumprod: float
    timestep_spacing: TimestepSpacing
    steps_offset: int

    @classmethod
    def from_config(cls, config: SchedulerConfig) -> NoiseSchedule:
        """Return the schedule of a configuration that was read already."""
        alphas_cumprod = torch.cumprod(1 - config.betas(), dim=0)
        return cls(
            alphas_cumprod=alphas_cumprod,
            prediction_type=config.prediction_type,
            final_alpha_cumprod=1.0 if config.set_alpha_to_one else float(alphas_cumprod[0]),
            timestep_spacing=config.timestep_spacing,
            steps_offset=config.steps_offset,
        )

    @classmethod
    def from_scheduler_config(cls, config: Mapping[str, Any]) -> NoiseSchedule:
        """Return the schedule of the JSON object of a `scheduler_config.json`.

        Raises:
            ModelError: see `SchedulerConfig.from_mapping`.
        """
        return cls.from_config(SchedulerConfig.from_mapping(config))

    @property
    def num_train_timesteps(self) -> int:
        """T, the number of training levels."""
        return len(self.alphas_cumprod)

    def alpha_bar(self, t: int) -> float:
        """Return alphabar at level t of -1..T-1, where -1 is the clean end.

        Raises:
            IndexError: when t is outside -1..T-1.
        """
        if not CLEAN <= t < self.num_train_timesteps:
            raise IndexError(f"level {t} is outside -1..{self.num_train_timesteps - 1}")
        return self.final_alpha_cumprod if t == CLEAN else float(self.alphas_cumprod[t])

    def alpha_bars(self, timesteps: Tensor) -> Tensor:
        """Return alphabar at `timesteps`, (B,) int64 of 0..T-1, as (B,) float64 on the same device."""
        return self.alphas_cumprod.to(timesteps.device)[timesteps]


def add_noise(schedule: NoiseSchedule, x_0: Tensor, epsilon: Tensor, timesteps: Tensor) -> Tensor:
    """Return x_t = sqrt(alphabar_t) x_0 + sqrt(1 - alphabar_t) epsilon (Ho et al. 2020, eq. 4).

    Args:
        schedule: the noise levels.
        x_0: (B, C, h, w) float32.
        epsilon: (B, C, h, w) float32, standard normal.
        timesteps: (B,) int64, a level of 0..T-1 for each sample.
    """
    signal, noise = signal_and_noise(schedule, timesteps, x_0)
    return signal * x_0 + noise * epsilon


def signal_and_noise(schedule: NoiseSchedule, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return sqrt(alphabar_t) and sqrt(1 - alphabar_t), each (B, 1, 1, ...), dtype and device of `like`."""
    a = schedule.alpha_bars(timesteps.to(like.device)).reshape(-1, *[1] * (like.ndim - 1))
    return a.sqrt().to(like.dtype), (1 - a).sqrt().to(like.dtype)


@dataclass(frozen=True)
class Transition:
    """One move between levels. The network is told the noisier of the two, in either direction."""

    t_source: int
    t_destination: int

    def reversed(self) -> Transition:
        """Return the move back."""
        return Transition(self.t_destination, self.t_source)


@dataclass(frozen=True)
class TransitionTable:
    """Moves without gaps: each row starts where the one before it ended."""

    rows: tuple[Transition, ...]

    def __post_init__(self) -> None:
        for before, after in zip(self.rows, self.rows[1:], strict=False):
            if before.t_destination != after.t_source:
                raise ValueError(f"gap in the table: {before} is followed by {after}")

    def __len__(self) -> int:
        return len(self.rows)

    def reversed(self) -> TransitionTable:
        """Return the same moves backwards, in the opposite order: what inversion follows."""
        return TransitionTable(tuple(row.reversed() for row in reversed(self.rows)))

    def digest(self) -> str:
        """Return the sha256 (64 hex digits) of the rows."""
        rows = [[row.t_source, row.t_destination] for row in self.rows]
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode("ascii")).hexdigest()


def timestep_table(schedule: NoiseSchedule, num_steps: int) -> TransitionTable:
    """Return the moves of `num_steps` sampling steps, from noise to the clean end.

    The destination of a row is the next level of the grid, and of the last row the clean end. The network is
    then told the level that its input is at, whether or not `num_steps` divides T.

    Raises:
        ConfigError: when the schedule has no such grid.
    """
    num_levels = schedule.num_train_timesteps
    if not 1 <= num_steps <= num_levels:
        raise _no_grid(
            schedule, num_steps, f"the model has {num_levels} levels", f"choose 1 to {num_levels} steps"
        )
    if schedule.timestep_spacing == "leading":
        levels = _leading(schedule, num_steps)
    elif schedule.timestep_spacing == "trailing":
        levels = _trailing(num_levels, num_steps)
    else:
        levels = _linspace(schedule, num_steps)
    destinations = [*levels[1:], CLEAN]
    return TransitionTable(tuple(Transition(s, d) for s, d in zip(levels, destinations, strict=True)))


def _leading(schedule: NoiseSchedule, num_steps: int) -> list[int]:
    stride = schedule.num_train_timesteps // num_steps
    levels = [i * stride + schedule.steps_offset for i in reversed(range(num_steps))]
    if levels[0] >= schedule.num_train_timesteps:
        why = f"with steps_offset {schedule.steps_offset} the first level would be {levels[0]}"
        raise _no_grid(schedule, num_steps, why, "choose fewer steps, or a model with another spacing")
    return levels


def _trailing(num_levels: int, num_steps: int) -> list[int]:
    # Exact fractions: floating-point strides place one level too many for some step counts.
    return [round(Fraction(num_levels * i, num_steps)) - 1 for i in range(num_steps, 0, -1)]


def _linspace(schedule: NoiseSchedule, num_steps: int) -> list[int]:
    if num_steps == 1:
        why = "the only level would be 0, where there is no noise to start from"
        raise _no_grid(schedule, num_steps, why, "choose at least 2 steps, or trailing spacing")
    last = schedule.num_train_timesteps - 1
    return [round(Fraction(last * i, num_steps - 1)) for i in reversed(range(num_steps))]


def _no_grid(schedule: NoiseSchedule, num_steps: int, why: str, fix: str) -> ConfigError:
    return ConfigError(
        f"{num_steps} steps cannot be placed on the schedule",
        where=f"steps, with {schedule.timestep_spacing} spacing over {schedule.num_train_timesteps} levels",
        why=why,
        fix=fix,
    )
