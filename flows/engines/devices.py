"""The devices and cores that a cluster of this host divides among its workers."""

import os
from dataclasses import dataclass
from typing import Self

from flows.engines.choice import EngineChoice
from moongate.errors import ConfigError
from moongate.models.leases import declared_slots

VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = "OMP_NUM_THREADS"
NO_DEVICE = ""


@dataclass(frozen=True)
class Share:
    """What each worker of this host gets.

    Attributes:
        devices: CUDA_VISIBLE_DEVICES of each worker; `NO_DEVICE` for one that computes on the CPU.
        threads: of each worker's arithmetic on the CPU.
    """

    devices: tuple[str, ...]
    threads: int

    @classmethod
    def of_this_host(cls, choice: EngineChoice) -> Self:
        """Divide this host as the engine was asked to: one worker a device, or one on a host without any.

        Raises:
            ConfigError: when more devices are asked for than are visible; a worker without one would compute
                on the CPU, and nothing would say so.
        """
        visible = _visible_devices()
        count = choice.devices or len(visible) or 1
        if visible and count > len(visible):
            raise _too_many(count, visible)
        cores = len(os.sched_getaffinity(0))
        threads = int(os.environ.get(THREADS) or max(1, cores // count))
        return cls(visible[:count] or (NO_DEVICE,) * count, threads)


def _visible_devices() -> tuple[str, ...]:
    """Return the words for this host's devices in CUDA_VISIBLE_DEVICES: GPUs, else declared slots."""
    # Imported late: a command that uses no engine does not wait for torch here.
    from moongate.models.devices import count_cuda_devices

    if count := count_cuda_devices():
        # Numbers or UUIDs; CUDA counts up to the first that names no device.
        words = tuple(word.strip() for word in os.environ.get(VISIBLE, "").split(",") if word.strip())
        return words[:count] or tuple(str(number) for number in range(count))
    return tuple(slot.visible_as for slot in declared_slots(os.environ))


def _too_many(count: int, visible: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        "there are fewer devices than workers",
        where=f"--engine-devices {count}",
        why=f"this host shows {len(visible)}: {', '.join(visible)}",
        fix=f"ask for {len(visible)} or fewer, or for 0, which is all of them; {VISIBLE} and "
        "MOONGATE_DEVICE_SLOTS say what is shown",
    )
