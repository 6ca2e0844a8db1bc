"""The loop: step, validate, remember the best, checkpoint, and resume where a dead process stopped."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from torch import Tensor

from moongate import interruption
from moongate.progress import Progress
from moongate.training.checkpoints import Checkpoints
from moongate.training.steps import StepRow
from moongate.training.trainer import Trainer

_log = logging.getLogger(__name__)

Selection = Literal["last", "validation_loss"]


@dataclass(frozen=True)
class ValidationRow:
    """The held-out loss after `step` optimizer steps."""

    step: int
    loss: float


@dataclass(frozen=True)
class FitPlan:
    """When the loop looks up from training.

    Attributes:
        validate_every: steps between validations; 0 = never.
        checkpoint_every: steps between checkpoints; 0 = never.
        selection: which weights are the result: those after the last step, or those with the lowest held-out
        loss.
    """

    validate_every: int = 0
    checkpoint_every: int = 0
    selection: Selection = "last"


@dataclass(frozen=True)
class Fit:
    """The outcome of a training run: the chosen weights, and how they were come by."""

    weights: Mapping[str, Tensor]
    chosen_step: int
    reason: str
    steps: tuple[StepRow, ...]
    validations: tuple[ValidationRow, ...]


def fit(
    trainer: Trainer, plan: FitPlan, checkpoints: Checkpoints, progress: Progress, label: str = "train"
) -> Fit:
    """Train to the end of the trainer's schedule and return the weights chosen by the plan's rule.

    The best weights so far travel in every checkpoint, so that resuming keeps them too.

    Raises:
        StopError: when the process was asked to stop; the step it was in is finished and in a checkpoint.
    """
    history = _History(plan, checkpoints)
    history.resume(trainer)
    with progress.track(label, trainer.settings.steps) as advance:
        advance(trainer.step)
        if trainer.step == 0:
            history.validate(trainer)
        while trainer.step < trainer.settings.steps:
            history.steps.append(trainer.advance())
            advance(1)
            if _due(trainer, plan.validate_every):
                history.validate(trainer)
            if _due(trainer, plan.checkpoint_every) or interruption.asked_by():
                history.checkpoint(trainer)
                interruption.heed()
    return history.outcome(trainer)


def _due(trainer: Trainer, every: int) -> bool:
    return every > 0 and (trainer.step % every == 0 or trainer.step == trainer.settings.steps)


class _History:
    """The rows of a run so far, and its best weights."""

    def __init__(self, plan: FitPlan, checkpoints: Checkpoints) -> None:
        self.steps: list[StepRow] = []
        self.validations: list[ValidationRow] = []
        self._plan = plan
        self._checkpoints = checkpoints
        self._best: Mapping[str, Tensor] | None = None
        self._best_step = 0

    def resume(self, trainer: Trainer) -> None:
        checkpoint = self._checkpoints.latest()
        if checkpoint is None:
            return
        trainer.restore(checkpoint.state)
        _log.info("Going on from step %d of %d.", trainer.step, trainer.settings.steps)
        self.steps = [StepRow(**row) for row in checkpoint.history["steps"]]  # type: ignore[attr-defined]
        trainer.recall(self.steps)
        self.validations = [ValidationRow(**row) for row in checkpoint.history["validations"]]  # type: ignore[attr-defined]
        self._best_step = int(checkpoint.history["best_step"])  # type: ignore[call-overload]
        self._best = checkpoint.best or None

    def validate(self, trainer: Trainer) -> None:
        if self._plan.validate_every == 0:
            return
        row = ValidationRow(trainer.step, trainer.validation_loss())
        if self._plan.selection == "validation_loss" and all(
            row.loss < seen.loss for seen in self.validations
        ):
            self._best, self._best_step = trainer.weights(), row.step
        self.validations.append(row)

    def checkpoint(self, trainer: Trainer) -> None:
        history = {
            "steps": [asdict(row) for row in self.steps],
            "validations": [asdict(row) for row in self.validations],
            "best_step": self._best_step,
        }
        self._checkpoints.publish(trainer.state(), self._best or {}, history)

    def outcome(self, trainer: Trainer) -> Fit:
        rows = (tuple(self.steps), tuple(self.validations))
        if self._best is None:
            reason = f"the weights after the last of {trainer.step} steps, by the rule 'last'"
            return Fit(trainer.weights(), trainer.step, reason, *rows)
        best = min(row.loss for row in self.validations)
        reason = (
            f"held-out loss {best:.5f} after step {self._best_step} is the lowest of"
            f" {len(self.validations)} validations"
        )
        return Fit(self._best, self._best_step, reason, *rows)
