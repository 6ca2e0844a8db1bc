"""One optimizer step at a time, and the state that resumes it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from moongate.errors import ConfigError, NumericsError
from moongate.training.ema import WeightAverage
from moongate.training.objective import Losses, Objective, ValidatedObjective

MIXED_PRECISION = {"float32": "no", "bfloat16": "bf16"}


@dataclass(frozen=True)
class OptimizerSettings:
    """How the weights move.

    Attributes:
        steps: optimizer steps in all.
        learning_rate: AdamW's peak rate.
        warmup_steps: steps of linear warm-up.
        decay: what the rate does after the warm-up: stays, or falls to zero along half a cosine.
        weight_decay: AdamW's decoupled decay (Loshchilov & Hutter 2019).
        max_grad_norm: the global gradient norm is clipped to this.
        gradient_accumulation: micro-batches per step.
        ema_decay: decay of the weight average, or None for none.
        betas: AdamW's moment decays.
    """

    steps: int
    learning_rate: float
    warmup_steps: int = 0
    decay: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 1e-2
    max_grad_norm: float = 1.0
    gradient_accumulation: int = 1
    ema_decay: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)

    def learning_rate_at(self, step: int) -> float:
        """Return the rate used by optimizer step `step` (from 0)."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.decay == "constant":
            return self.learning_rate
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class StepRow:
    """What one optimizer step did: means over its slots, and its wall time in seconds."""

    step: int
    loss: float
    parts: Mapping[str, float]
    grad_norm: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class TrainerState:
    """All that a later process needs to go on exactly: tensors by name, and two counters."""

    step: int
    ema_updates: int
    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]


def build_accelerator(device: torch.device, precision: str) -> Accelerator:
    """Return an Accelerator for `device` whose forward passes run in `precision`.

    Not in float16: its loss scaler skips steps now and then, and its state is in no checkpoint.
    """
    if device.index is not None:
        # Accelerate computes on the process's current device, whatever number the data's device has.
        torch.cuda.set_device(device)
    _forget_unlike(device, MIXED_PRECISION[precision])
    return Accelerator(mixed_precision=MIXED_PRECISION[precision], cpu=device.type == "cpu")


def _forget_unlike(device: torch.device, mixed_precision: str) -> None:
    """Accelerate keeps device and precision in process-wide state; each fit here is self-contained."""
    if not AcceleratorState._shared_state:
        return
    state = AcceleratorState()
    if (state.device.type, state.mixed_precision) != (device.type, mixed_precision):
        AcceleratorState._reset_state(reset_partial_state=True)


class Trainer:
    """Moves an objective's weights, one step at a time.

    Raises:
        ConfigError: when the batch cannot be split over micro-batches and processes.
        NumericsError: when a loss or a gradient is not finite; the message names step and slots.
    """

    def __init__(self, objective: Objective, settings: OptimizerSettings, accelerator: Accelerator) -> None:
        self.settings = settings
        self.step = 0
        self._accelerator = accelerator
        # Not in training mode: dropout draws from the global generator, which no checkpoint holds.
        objective.to(accelerator.device).eval()
        self._parameters = objective.trained_parameters()
        self._optimizer = torch.optim.AdamW(
            list(self._parameters.values()),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.objective = objective
        self._wrapped = accelerator.prepare_model(objective)
        self._scaled = accelerator.prepare_optimizer(self._optimizer)
        self._average = (
            WeightAverage(self._parameters, settings.ema_decay) if settings.ema_decay is not None else None
        )
        self._micro_batches = self._split_batch(objective.batch_size)

    def _split_batch(self, batch_size: int) -> list[Sequence[int]]:
        parts = self.settings.gradient_accumulation * self._accelerator.num_processes
        if batch_size % parts:
            raise ConfigError(
                f"a batch of {batch_size} cannot be split into {parts} equal parts",
                where="train.batch_size",
                why="gradient accumulation x processes must divide the batch, or slots would weigh unequally",
                fix=f"choose a batch size that is a multiple of {parts}",
            )
        size = batch_size // parts
        first = self._accelerator.process_index * self.settings.gradient_accumulation
        return [
            range((first + k) * size, (first + k + 1) * size)
            for k in range(self.settings.gradient_accumulation)
        ]

    def advance(self) -> StepRow:
        """Make one optimizer step and return what it did."""
        started = time.perf_counter()
        rate = self.settings.learning_rate_at(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        losses = [self._backward(slots, last=k == 0) for k, slots in self._reversed_micro_batches()]
        norm = self._accelerator.clip_grad_norm_(list(self._parameters.values()), self.settings.max_grad_norm)
        self._scaled.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update()
        self.step += 1
        return self._row(losses, norm, rate, started)

    def _reversed_micro_batches(self) -> Iterator[tuple[int, Sequence[int]]]:
        """Yield (micro-batches still to come, slots), so that 0 marks the last one."""
        total = len(self._micro_batches)
        return ((total - 1 - k, slots) for k, slots in enumerate(self._micro_batches))

    def _backward(self, slots: Sequence[int], *, last: bool) -> Losses:
        synchronise: AbstractContextManager[None] = (
            nullcontext() if last else self._accelerator.no_sync(self._wrapped)
        )
        with synchronise:
            losses: Losses = self._wrapped(self.step, slots)
            self._accelerator.backward(losses.total / len(self._micro_batches))
        return losses

    def _row(self, losses: Sequence[Losses], norm: Tensor, rate: float, started: float) -> StepRow:
        # One transfer for all numbers of the step: each .item() would wait for the device on its own.
        names = list(losses[0].parts)
        stacked = torch.stack(
            [torch.stack([x.total.detach(), *(x.parts[n].detach() for n in names)]) for x in losses]
        )
        mean = self._accelerator.reduce(stacked.float().mean(0), reduction="mean")
        numbers = torch.cat([mean, norm.detach().float().reshape(1)]).tolist()
        if not all(math.isfinite(value) for value in numbers):
            raise NumericsError(
                f"a loss or gradient is not finite (loss {numbers[0]}, gradient norm {numbers[-1]})",
                where=f"training step {self.step - 1}, slots {[list(s) for s in self._micro_batches]}",
                why="a bad input, a learning rate that is too high, or a precision that is too low",
                fix="lower train.learning_rate, or set base.precision to float32, and run again",
            )
        parts = dict(zip(names, numbers[1:-1], strict=True))
        return StepRow(self.step - 1, numbers[0], parts, numbers[-1], rate, time.perf_counter() - started)

    def averaged(self) -> AbstractContextManager[None]:
        """Return a block in which the weights are those to be judged and saved: the average, if any."""
        return self._average.swapped_in() if self._average is not None else nullcontext()

    def validation_loss(self) -> float:
        """Return the objective's held-out loss under the weights that would be saved now.

        Raises:
            TypeError: when the objective has no held-out data to be judged on.
        """
        if not isinstance(self.objective, ValidatedObjective):
            raise TypeError(f"{type(self.objective).__name__} has no validation_loss; plan no validations")
        with self.averaged(), torch.no_grad(), self._accelerator.autocast():
            return self.objective.validation_loss()

    def weights(self) -> dict[str, Tensor]:
        """Return copies on the CPU of the weights that would be saved now, as `<module>.<parameter>`."""
        with self.averaged():
            return {name: p.detach().to("cpu", copy=True) for name, p in self._parameters.items()}

    def state(self) -> TrainerState:
        """Return everything that `restore` needs."""
        average, updates = self._average.state() if self._average is not None else ({}, 0)
        moments = {
            f"{name}.{key}": value
            for name, parameter in self._parameters.items()
            for key, value in self._optimizer.state.get(parameter, {}).items()
        }
        weights = {name: parameter.detach() for name, parameter in self._parameters.items()}
        return TrainerState(self.step, updates, weights, average, moments)

    @torch.no_grad()
    def restore(self, state: TrainerState) -> None:
        """Go on from a state as if nothing had happened in between."""
        for name, parameter in self._parameters.items():
            parameter.copy_(state.weights[name])
            self._optimizer.state[parameter] = {
                # The fused kernel wants its step counter, too, where the parameter is.
                key: state.moments[f"{name}.{key}"].to(parameter.device, copy=True)
                for key in ("step", "exp_avg", "exp_avg_sq")
            }
        if self._average is not None:
            self._average.restore(state.average, state.ema_updates)
        self.step = state.step
