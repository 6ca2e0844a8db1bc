"""The devices and cores that a cluster of this host divides among its workers."""

import os
from dataclasses import dataclass
from typing import Self

from flows.engines.choice import EngineChoice

VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Share:
    """What each worker of this host gets.

    Attributes:
        devices: CUDA_VISIBLE_DEVICES of each worker. Without a GPU they stand for nothing, and only count.
        threads: of each worker's arithmetic on the CPU.
    """

    devices: tuple[str, ...]
    threads: int

    @classmethod
    def of_this_host(cls, choice: EngineChoice) -> Self:
        """Divide this host as the engine was asked to: one worker a GPU, or one on a host without any."""
        visible = _visible_devices()
        count = choice.devices or len(visible) or 1
        named = visible[:count] if len(visible) >= count else tuple(str(number) for number in range(count))
        cores = len(os.sched_getaffinity(0))
        return cls(named, int(os.environ.get(THREADS) or max(1, cores // count)))


def _visible_devices() -> tuple[str, ...]:
    if VISIBLE in os.environ:
        return tuple(name.strip() for name in os.environ[VISIBLE].split(",") if name.strip())
    # Imported late: a command that uses no engine does not wait for torch here.
    from moongate.models.devices import count_cuda_devices

    return tuple(str(number) for number in range(count_cuda_devices()))
