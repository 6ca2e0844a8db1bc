"""The slots of a step in portions that fit the memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from moongate.errors import CapacityError

_log = logging.getLogger(__name__)


class MicroBatches:
    """Splits a process's slots into portions of at most `size`, which is halved when memory runs out.

    It is never enlarged again: what did not fit once would not fit the next time either. The portions of a
    step are weighed by their slots, so the effective batch is the same whatever the size.
    """

    def __init__(self, slots: range, size: int) -> None:
        self.slots = slots
        self.size = size

    def __iter__(self) -> Iterator[range]:
        return (self.slots[first : first + self.size] for first in range(0, len(self.slots), self.size))

    def __len__(self) -> int:
        return -(-len(self.slots) // self.size)

    def halve(self, step: int, why: str) -> None:
        """Make the portions half as large from `step` on, and say so.

        Raises:
            CapacityError: when they hold a single slot already.
        """
        if self.size == 1:
            raise CapacityError(
                "a single picture needs more memory than there is",
                where=f"training step {step}",
                why=f"{why} (with 1 of the {len(self.slots)} pictures of a step at a time)",
                fix="set train.gradient_checkpointing=true, with which the run goes on from its last "
                "checkpoint; or tune less, from the start (train.unet_layers=attention, "
                "train.train_text_encoder=false)",
            )
        before, self.size = self.size, -(-self.size // 2)
        _log.warning(
            "Out of memory at training step %d (%s). From here on %d slots at a time instead of %d; the "
            "effective batch stays %d.",
            step,
            why,
            self.size,
            before,
            len(self.slots),
        )
