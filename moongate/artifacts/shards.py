"""A shard of a build: some of its batches, which any process that sees the store may compute.

A shard computes what the whole build would, leaves each batch among the finished ones, and publishes nothing.
The build itself comes last, in whichever process: it takes the finished batches up in their order, and
computes what is missing. So the artifact has the bytes of a build that was never divided.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """One of `count` equal shares of a build, the first of them number 0.

    Raises:
        ValueError: when there is no such share.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"there is no share {self.index} of {self.count}")

    def of(self, batches: Iterable[T]) -> Iterator[T]:
        """Yield every `count`-th batch, so that shares differ by one batch at most."""
        return islice(batches, self.index, None, self.count)

    def __str__(self) -> str:
        return f"{self.index + 1} of {self.count}"


@dataclass(frozen=True)
class ShardDone:
    """What computing a shard cost.

    Attributes:
        batches: how many it has, those that an earlier attempt had finished included.
        unet_evals: samples that went through the UNet for them, in whichever attempt.
        device: what computed them; empty when nothing was computed.
    """

    batches: int
    unet_evals: int
    device: str


NOTHING_TO_DO = ShardDone(batches=0, unet_evals=0, device="")
"""What it costs when the store has the artifact already."""


def shards(num_items: int, batch_size: int, workers: int) -> tuple[Shard, ...]:
    """Return the shards of a build: one a worker, but none without a batch.

    Args:
        num_items: pictures to compute.
        batch_size: pictures computed at once.
        workers: how many may compute at the same time.
    """
    batches = -(-num_items // batch_size)
    count = max(1, min(workers, batches))
    return tuple(Shard(index, count) for index in range(count))
