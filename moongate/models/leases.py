"""Which device a stage gets: one stage at a time on each, over all processes of a user on this host.

A lease is an OS lock on a file named after the device. It dies with its process, so a killed run never keeps
a device. CUDA devices are known by their UUID, whatever CUDA_VISIBLE_DEVICES calls them. A machine without
any may declare slots (MOONGATE_DEVICE_SLOTS=2): they are leased in the same way, CUDA_VISIBLE_DEVICES chooses
among them, and what holds one computes on the CPU.
"""

import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from moongate import interruption
from moongate.artifacts.holding import Holder, held_if_free, holder_of, own_folder
from moongate.errors import ConfigError
from moongate.models.tenancy import current_tenant

SLOTS_VARIABLE = "MOONGATE_DEVICE_SLOTS"
FOLDER_VARIABLE = "MOONGATE_DEVICE_LOCKS"
VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"
POLL_S = 0.5
REMIND_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """A device as this process names it, and as the host knows it.

    Attributes:
        name: what torch calls it here: "cuda:0", or "cpu" for a declared slot.
        uuid: what every process of the host calls it.
        visible_as: the word for it in CUDA_VISIBLE_DEVICES.
    """

    name: str
    uuid: str
    visible_as: str

    @property
    def label(self) -> str:
        """What people are told: which device of which host, the same in every process."""
        return f"{self.uuid}@{socket.gethostname()}"


@contextmanager
def leased_device(wanted: str) -> Iterator[str]:
    """Yield the name of the device to compute on, waiting for a free one where there are any to share.

    Args:
        wanted: "auto" is any CUDA device, else the CPU; "cuda" any; "cuda:<n>" that one; "cpu" the CPU, which
            is shared by everybody unless slots are declared. A device that this process does not have is
            yielded as it was asked for: loading a model on it explains what is wrong.

    Raises:
        ConfigError: when the declared slots cannot be read, or the folder of the locks is a relative path.
        StoreError: when the folder of the locks, or a lock, is one that somebody else has laid or keeps to
            himself.
        StopError: when the process was asked to stop while it waited.
    """
    candidates = candidates_for(wanted)
    if not candidates:
        yield "cpu" if wanted == "auto" else wanted
        return
    with lease_one(candidates, lease_folder()) as device:
        yield device.name


def candidates_for(wanted: str) -> tuple[Device, ...]:
    """Return the devices of which one would be leased; none where the CPU is shared by everybody."""
    if wanted != "cpu":
        cuda = tuple(device for device in cuda_devices() if wanted in ("auto", "cuda", device.name))
        if cuda or wanted != "auto":
            return cuda
    return declared_slots(os.environ)


@contextmanager
def lease_one(candidates: Sequence[Device], folder: Path) -> Iterator[Device]:
    """Hold the lock of the first device that is free, waiting until there is one.

    Raises:
        StopError: when the process was asked to stop while it waited.
    """
    tenant, waited = current_tenant(), _Waiting(candidates, folder)
    while True:
        for device in candidates:
            with held_if_free(_lock(folder, device), tenant.purpose) as held:
                if held:
                    waited.over(device)
                    tenant.took(device.label)
                    yield device
                    return
        interruption.heed()
        waited.say()
        time.sleep(POLL_S)


def holders(devices: Sequence[Device], folder: Path) -> tuple[Holder | None, ...]:
    """Return who holds each device at this moment; None for a free one."""
    return tuple(holder_of(_lock(folder, device)) for device in devices)


def lease_folder() -> Path:
    """Return the folder of the lock files: one per user and host, whichever store a run writes to.

    Its place does not follow TMPDIR or XDG_RUNTIME_DIR, for two processes that disagree on the folder would
    share a device. $MOONGATE_DEVICE_LOCKS names another one, for users or containers that share devices.

    Raises:
        ConfigError: when the path in $MOONGATE_DEVICE_LOCKS is relative.
        StoreError: when somebody else has made the one in /tmp, where everybody may.
    """
    if named := os.environ.get(FOLDER_VARIABLE):
        if not Path(named).is_absolute():
            raise ConfigError(
                "the folder of device locks is a relative path",
                where=FOLDER_VARIABLE,
                why=f"it is {named!r}: processes that were started in different folders would share a device",
                fix=f"give it from the root on, such as {FOLDER_VARIABLE}={Path(named).absolute()}",
            )
        return Path(named)
    return own_folder(Path(f"/tmp/moongate-devices-{os.getuid()}"))


def visible_devices() -> tuple[Device, ...]:
    """Return what stages of this process may hold: its CUDA devices, else the declared slots."""
    return candidates_for("auto")


def cuda_devices() -> tuple[Device, ...]:
    """Return the CUDA devices that this process may use, in its own order."""
    import torch

    if not torch.cuda.is_available():
        return ()
    count = torch.cuda.device_count()
    words = _words(os.environ.get(VISIBLE_VARIABLE)) or tuple(str(index) for index in range(count))
    return tuple(
        Device(f"cuda:{index}", f"GPU-{torch.cuda.get_device_properties(index).uuid}", words[index])
        for index in range(count)
    )


def every_slot(environment: Mapping[str, str]) -> tuple[Device, ...]:
    """Return the declared slots, whatever CUDA_VISIBLE_DEVICES leaves of them.

    Raises:
        ConfigError: when MOONGATE_DEVICE_SLOTS is no number.
    """
    declared = environment.get(SLOTS_VARIABLE) or "0"
    if not declared.isdecimal():
        raise ConfigError(
            "the number of declared device slots cannot be read",
            where=SLOTS_VARIABLE,
            why=f"it is {declared!r}",
            fix=f"give a whole number, such as {SLOTS_VARIABLE}=2, or unset it",
        )
    return tuple(Device("cpu", f"slot-{index}", str(index)) for index in range(int(declared)))


def declared_slots(environment: Mapping[str, str]) -> tuple[Device, ...]:
    """Return the declared slots that CUDA_VISIBLE_DEVICES leaves, in its order; all where it is unset.

    Raises:
        ConfigError: when MOONGATE_DEVICE_SLOTS is no number.
    """
    every = every_slot(environment)
    if (visible := environment.get(VISIBLE_VARIABLE)) is None:
        return every
    by_word = {slot.visible_as: slot for slot in every}
    return tuple(by_word[word] for word in _words(visible) if word in by_word)


class _Waiting:
    """Says what is waited for: at once, and then once in `REMIND_S` seconds."""

    def __init__(self, candidates: Sequence[Device], folder: Path) -> None:
        self._candidates = candidates
        self._folder = folder
        self._next = 0.0

    def say(self) -> None:
        """Say it, unless it was said a moment ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + REMIND_S
        found = zip(self._candidates, holders(self._candidates, self._folder), strict=True)
        told = "; ".join(f"{device.label} is held by {holder or 'nobody now'}" for device, holder in found)
        _log.info("%s waits for a device: %s", current_tenant().purpose, told)

    def over(self, device: Device) -> None:
        """Say that a device was got, where it was waited for."""
        if self._next:
            _log.info("%s got %s", current_tenant().purpose, device.label)


def _words(visible: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (visible or "").split(",") if word.strip())


def _lock(folder: Path, device: Device) -> Path:
    return folder / f"{device.uuid}.lock"
