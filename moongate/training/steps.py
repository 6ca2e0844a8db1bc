"""What a training step leaves behind: its row, and the count of those that were not made."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moongate.errors import NumericsError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepRow:
    """What one optimizer step did.

    Attributes:
        step: its number, from 0.
        loss: mean over its slots; None when it, a part of it, or the gradient is not finite.
        parts: the terms of the loss, means likewise; empty when `loss` is None.
        grad_norm: the gradient's norm before clipping; None when `loss` is.
        learning_rate: the rate of this step.
        seconds: wall time.
        micro_batch: slots that went through the network at once; 0 in rows of a version that did not say.
        fault: empty; or what was not finite, and with which pictures. The weights have then not moved.
    """

    step: int
    loss: float | None
    parts: Mapping[str, float]
    grad_norm: float | None
    learning_rate: float
    seconds: float = 0.0
    micro_batch: int = 0
    fault: str = ""


class BadSteps:
    """Counts the steps that were skipped because a number was not finite, those before a resume included."""

    def __init__(self, allowed: int, earlier: Sequence[StepRow] = ()) -> None:
        self._allowed = allowed
        self._rows = [row for row in earlier if row.fault]

    def add(self, row: StepRow) -> None:
        """Note one more.

        Raises:
            NumericsError: when it is the last that is tolerated; it names all of them with their pictures.
        """
        self._rows.append(row)
        if len(self._rows) >= self._allowed:
            raise self._too_many()
        _log.warning(
            "Training step %d is skipped, bad step %d of %d: %s",
            row.step,
            len(self._rows),
            self._allowed,
            row.fault,
        )

    def _too_many(self) -> NumericsError:
        steps = "".join(f"\n    step {row.step}: {row.fault}" for row in self._rows)
        return NumericsError(
            "a loss or a gradient is not finite",
            where=f"training step {self._rows[-1].step}",
            why=f"bad steps until training stops (train.stop_after_bad_steps): {self._allowed}; none "
            f"moved a weight:{steps}",
            fix="look at these pictures; if they are ordinary ones, lower train.learning_rate, or set "
            "base.precision to float32; the same command goes on from the last checkpoint",
        )
