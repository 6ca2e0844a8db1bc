"""Disks that are small, full or locked, and files that may not grow: what the system itself refuses."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FILLER = "somebody_elses.bin"


class NotHereError(Exception):
    """This machine does not allow the fault to be made; the text says why."""


class Flood:
    """Progress that fills the disk with somebody else's file, once so much of the work is done.

    Attributes:
        seen: what it was told, in order.
    """

    def __init__(self, disk: Path, after: int) -> None:
        self.seen: list[int] = []
        self._disk = disk
        self._after = after

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield the function that counts, and at the right moment fills the disk."""
        yield self._advance

    def dry_up(self) -> None:
        """Make space again."""
        drain(self._disk)

    def _advance(self, count: int) -> None:
        self.seen.append(count)
        if sum(self.seen) == self._after:
            flood(self._disk)


def flood(disk: Path, spared: int = 0) -> None:
    """Fill a small disk with somebody else's file, up to `spared` bytes."""
    file = disk / _FILLER
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(2**16))
    with file.open("rb+") as stream:
        stream.truncate(max(0, file.stat().st_size - spared))


def drain(disk: Path) -> None:
    """Take away what `flood` wrote."""
    (disk / _FILLER).unlink()


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a disk of `size` bytes in memory, as a new folder in `folder`.

    Raises:
        NotHereError: when this user may not.
    """
    disk = folder / f"disk{sum(1 for _ in folder.glob('disk*'))}"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotHereError("mounting a small disk is not allowed here") from error
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def make_read_only(disk: Path) -> None:
    """Mount a small disk again, for reading alone."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


@contextmanager
def short_files(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: a real EFBIG, for any user."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
