"""Which CUDA device a stage gets: one stage at a time on each, over all processes of a user on this host.

A lease is an OS lock on a file named by the device's UUID. It dies with its process, so a killed run never
keeps a device; and it knows the device whatever CUDA_VISIBLE_DEVICES calls it.
"""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CudaDevice:
    """A device as this process names it ("cuda:0"), and as the host knows it."""

    name: str
    uuid: str


@contextmanager
def leased_device(wanted: str) -> Iterator[str]:
    """Yield the device to compute on, waiting for a free one where CUDA devices are wanted.

    Args:
        wanted: "cpu" needs no lease; "auto" is any CUDA device, else the CPU; "cuda" any; "cuda:<n>" that
            one. A device that this process does not have is yielded as it was asked for: loading a model on
            it explains what is wrong.
    """
    candidates = [] if wanted == "cpu" else _matching(wanted, visible_cuda_devices())
    if not candidates:
        yield "cpu" if wanted == "auto" else wanted
        return
    with lease_one(candidates, lease_folder()) as device:
        yield device.name


@contextmanager
def lease_one(candidates: Sequence[CudaDevice], folder: Path) -> Iterator[CudaDevice]:
    """Hold the lock of the first device that is free, waiting until there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting = False
    while True:
        for device in candidates:
            with ExitStack() as stack:
                lock = stack.enter_context((folder / f"{device.uuid}.lock").open("a"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield device
                return
        if not waiting:
            _log.info("Waiting for a free device: %s", ", ".join(device.name for device in candidates))
            waiting = True
        time.sleep(POLL_S)


def lease_folder() -> Path:
    """Return the folder of the lock files: one per user and host, whichever store a run writes to."""
    return Path(tempfile.gettempdir()) / f"moongate-devices-{os.getuid()}"


def visible_cuda_devices() -> tuple[CudaDevice, ...]:
    """Return the CUDA devices that this process may use, in its own order."""
    import torch

    if not torch.cuda.is_available():
        return ()
    count = torch.cuda.device_count()
    return tuple(
        CudaDevice(f"cuda:{index}", str(torch.cuda.get_device_properties(index).uuid))
        for index in range(count)
    )


def _matching(wanted: str, devices: Sequence[CudaDevice]) -> list[CudaDevice]:
    return [device for device in devices if wanted in ("auto", "cuda", device.name)]
