"""One optimizer step at a time, and the state that resumes it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from moongate.errors import CapacityError, ConfigError, NumericsError
from moongate.memory import brief, is_out_of_memory, release_unused
from moongate.training.ema import WeightAverage
from moongate.training.micro_batches import MicroBatches
from moongate.training.movement import MovementCheck
from moongate.training.objective import Losses, Objective, ValidatedObjective
from moongate.training.steps import BadSteps, StepRow

MIXED_PRECISION = {"float32": "no", "bfloat16": "bf16"}
# After so many steps every part has had its gradients, and hardly any time is lost if it has not.
MOVEMENT_CHECKED_AFTER = 20
# What AdamW keeps of a parameter.
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


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
        stop_after_bad_steps: steps whose loss or gradient is not finite at which training stops. Those before
            it are skipped: they have their row, and the weights do not move.
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
    stop_after_bad_steps: int = 1

    def learning_rate_at(self, step: int) -> float:
        """Return the rate used by optimizer step `step` (from 0)."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.decay == "constant":
            return self.learning_rate
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


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
        self._bad_steps = BadSteps(settings.stop_after_bad_steps)
        self._movement = MovementCheck(objective)

    def _split_batch(self, batch_size: int) -> MicroBatches:
        parts = self.settings.gradient_accumulation * self._accelerator.num_processes
        if batch_size % parts:
            raise ConfigError(
                f"a batch of {batch_size} cannot be split into {parts} equal parts",
                where="train.batch_size",
                why="gradient accumulation x processes must divide the batch, or slots would weigh unequally",
                fix=f"choose a batch size that is a multiple of {parts}",
            )
        own = batch_size // self._accelerator.num_processes
        first = self._accelerator.process_index * own
        return MicroBatches(range(first, first + own), batch_size // parts)

    def advance(self) -> StepRow:
        """Make one optimizer step and return what it did.

        When memory runs out, the step is computed again in smaller micro-batches, which are kept.

        Raises:
            NumericsError: when the loss or the gradient is not finite for the last time that is tolerated, or
                when the first steps moved other weights than they should.
            CapacityError: when the memory does not suffice for a single slot.
        """
        started = time.perf_counter()
        rate = self.settings.learning_rate_at(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        losses, norm = self._gradients()
        row = self._row(losses, norm, rate)
        if not row.fault:
            with self._moments_fit():
                self._scaled.step()
        self._optimizer.zero_grad(set_to_none=True)
        if row.fault:
            self._bad_steps.add(row)
        elif self._average is not None:
            self._average.update()
        self.step += 1
        if self.step == min(MOVEMENT_CHECKED_AFTER, self.settings.steps):
            self._movement.verify(self.step, self._reached())
        return replace(row, seconds=time.perf_counter() - started)

    @contextmanager
    def _moments_fit(self) -> Iterator[None]:
        """Within, an allocator that gives up is told as what it is: a matter of how much is trained."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise CapacityError(
                "the optimizer needs more memory than there is",
                where=f"training step {self.step}",
                why=f"{brief(error)}; AdamW keeps two numbers beside each of the "
                f"{sum(one.numel() for one in self._parameters.values()):,} that are trained",
                fix="tune less (train.unet_layers=attention, train.train_text_encoder=false), or on a device "
                "with more memory; a smaller batch would not help",
            ) from error

    def recall(self, rows: Sequence[StepRow]) -> None:
        """Go on like the process that made these rows: with its micro-batches, and counting its bad steps."""
        self._bad_steps = BadSteps(self.settings.stop_after_bad_steps, rows)
        if rows and rows[-1].micro_batch:
            self._micro_batches.size = min(self._micro_batches.size, rows[-1].micro_batch)

    def _gradients(self) -> tuple[list[Losses], Tensor]:
        """Return the losses of the micro-batches and the norm of the gradient, which is then clipped."""
        while True:
            try:
                losses = [self._backward(slots) for slots in self._micro_batches]
                norm = self._accelerator.clip_grad_norm_(
                    list(self._parameters.values()), self.settings.max_grad_norm
                )
                return losses, norm
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = brief(error)
            # Only here: until the except block is left, its traceback holds on to the tensors of the attempt.
            self._shrink(reason)

    def _shrink(self, reason: str) -> None:
        if not self.objective.separable:
            raise CapacityError(
                "the batch needs more memory than there is",
                where=f"training step {self.step}",
                why=f"{reason}; the loss compares all of its {self.objective.batch_size} slots",
                fix="lower the batch size, or train on a device with more memory",
            )
        if self._accelerator.num_processes > 1:
            raise CapacityError(
                "the memory of one process ran out",
                where=f"training step {self.step}",
                why=f"{reason}; the others would wait for its gradients for ever",
                fix="lower train.batch_size and raise train.gradient_accumulation",
            )
        self._optimizer.zero_grad(set_to_none=True)
        release_unused()
        self._micro_batches.halve(self.step, reason)

    def _backward(self, slots: range) -> Losses:
        own = self._micro_batches.slots
        is_last = slots[-1] == own[-1]
        synchronise: AbstractContextManager[None] = (
            nullcontext() if is_last else self._accelerator.no_sync(self._wrapped)
        )
        with synchronise:
            losses: Losses = self._wrapped(self.step, slots)
            self._accelerator.backward(losses.total / (len(own) / len(slots)))
        return losses

    def _row(self, losses: Sequence[Losses], norm: Tensor, rate: float) -> StepRow:
        # One transfer for all numbers of the step: each .item() would wait for the device on its own.
        names = list(losses[0].parts)
        shares = torch.tensor([len(slots) / len(self._micro_batches.slots) for slots in self._micro_batches])
        stacked = torch.stack(
            [torch.stack([x.total.detach(), *(x.parts[n].detach() for n in names)]) for x in losses]
        ).float()
        mean = self._accelerator.reduce(shares.to(stacked.device) @ stacked, reduction="mean")
        loss, *parts, length = torch.cat([mean, norm.detach().float().reshape(1)]).tolist()
        size = self._micro_batches.size
        if all(map(math.isfinite, (loss, *parts, length))):
            seen = (loss, dict(zip(names, parts, strict=True)), length)
            return StepRow(self.step, *seen, rate, micro_batch=size)
        fault = f"loss {loss}, gradient norm {length}: {self._suspects()}"
        return StepRow(self.step, None, {}, None, rate, micro_batch=size, fault=fault)

    @torch.no_grad()
    def _suspects(self) -> str:
        """Return the ingredients of the slots whose own loss is not finite; of all when only the gradient is
        to blame.
        """
        slots = self._micro_batches.slots
        bad = [slot for slot in slots if not math.isfinite(float(self._wrapped(self.step, [slot]).total))]
        return "; ".join(self.objective.ingredients(self.step, bad or slots))

    def _reached(self) -> list[str]:
        return [name for name, parameter in self._parameters.items() if parameter in self._optimizer.state]

    def averaged(self) -> AbstractContextManager[None]:
        """Return a block in which the weights are those to be judged and saved: the average, if any."""
        return self._average.swapped_in() if self._average is not None else nullcontext()

    def validation_loss(self) -> float:
        """Return the objective's held-out loss under the weights that would be saved now.

        Raises:
            TypeError: when the objective has no held-out data to be judged on.
            NumericsError: when the loss is not finite.
        """
        if not isinstance(self.objective, ValidatedObjective):
            raise TypeError(f"{type(self.objective).__name__} has no validation_loss; plan no validations")
        with self.averaged(), torch.no_grad(), self._accelerator.autocast():
            loss = self.objective.validation_loss()
        if not math.isfinite(loss):
            raise NumericsError(
                f"the held-out loss is {loss}",
                where=f"validation after {self.step} training steps",
                why="a held-out picture's latents are not finite, or the weights have become enormous",
                fix="look at the held-out pictures; lower train.learning_rate, or set base.precision=float32",
            )
        return loss

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
            moments = {
                # The fused kernel wants its step counter, too, where the parameter is.
                key: state.moments[f"{name}.{key}"].to(parameter.device, copy=True)
                for key in MOMENTS
                if f"{name}.{key}" in state.moments
            }
            # What no gradient has reached yet, or only bad steps, has none.
            if moments:
                self._optimizer.state[parameter] = moments
        if self._average is not None:
            self._average.restore(state.average, state.ema_updates)
        self.step = state.step
