"""Room on the disk: asked for before work begins, and explained when it ends, or never was, in the middle."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from moongate.errors import StoreError

_FULL = (
    "the disk is full",
    "free some space (`moongate gc` lists what no run needs) and run the same command again",
)
_NO_LARGE_FILES = (
    "a file may not grow any further",
    "raise the limit on the size of files (`ulimit -f`, or the file system's own), or set MOONGATE_HOME to "
    "another disk, and run the same command again",
)
_UNWRITABLE = (
    "the disk cannot be written",
    "see to the disk, or set MOONGATE_HOME to another one, and run the same command again",
)
# What is wrong and what to do, by the system's number of the error.
_FAULTS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _NO_LARGE_FILES,
    errno.EROFS: _UNWRITABLE,
    errno.EIO: _UNWRITABLE,
}
# Libraries written in Rust (safetensors, tokenizers) have exceptions of their own, and put the number there.
_RUST_ERROR = re.compile(r"\(os error (\d+)\)")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
# Tables, manifests and logs: what is too small to be estimated.
MARGIN_BYTES = 2**20


def require_room(folder: Path, needed: int, purpose: str) -> None:
    """Do nothing when the disk of `folder` has room for `needed` bytes and a margin; `purpose` needs them.

    Raises:
        StoreError: when it has not; it says how much is needed and how much is free.
    """
    wanted, free = needed + MARGIN_BYTES, free_bytes(folder)
    if free < wanted:
        raise StoreError(
            f"there is too little room on the disk for {purpose}",
            where=str(folder),
            why=f"up to {in_words(wanted)} are needed and {in_words(free)} are free; nothing was begun",
            fix=f"free {in_words(wanted - free)} (`moongate gc` lists what no run needs) or set MOONGATE_HOME"
            " to a larger disk, and run the same command again",
        )


def require_writable(folder: Path) -> None:
    """Make `folder` when it is missing, and do nothing when files can be made in it.

    Raises:
        StoreError: when they cannot.
    """
    try:
        _probe(folder)
    except OSError as error:
        raise StoreError(
            "the store cannot be written",
            where=str(folder),
            why=f"{error.strerror or error}; nothing was begun",
            fix="make it writable for you, or set MOONGATE_HOME to a folder that is; runs that are there can "
            "still be read (`moongate runs`, `show`, `why`, `diff`)",
        ) from error


def require_output(folder: Path) -> None:
    """Make `folder` when it is missing, and do nothing when files can be made in it.

    Raises:
        StoreError: when they cannot.
    """
    try:
        _probe(folder)
    except OSError as error:
        raise StoreError(
            "the folder for the result cannot be written",
            where=str(folder.absolute()),
            why=f"{error.strerror or error}; nothing was begun",
            fix="make it writable for the user of this process, or name another folder as the output",
        ) from error


def _probe(folder: Path) -> None:
    probe = folder / f".probe-{uuid4().hex}"
    folder.mkdir(parents=True, exist_ok=True)
    probe.touch()
    probe.unlink()


@contextmanager
def writing_explained(folder: Path) -> Iterator[None]:
    """Turn the end of the disk while something is written into one message, whichever library met it.

    Raises:
        StoreError: when the disk or a quota is full, a file may not grow further, or the disk cannot be
            written.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        number = _number(error)
        if number not in _FAULTS:
            raise
        what, fix = _FAULTS[number]
        raise StoreError(
            what,
            where=str(folder),
            why=f"{os.strerror(number)}, and {in_words(free_bytes(folder))} are free; nothing was published",
            fix=fix,
        ) from error


def free_bytes(folder: Path) -> int:
    """Return the bytes that this user may still write on the disk of `folder`, which need not exist yet."""
    present = folder.resolve()
    while not present.exists():
        present = present.parent
    return shutil.disk_usage(present).free


def bytes_in(folder: Path) -> int:
    """Return the bytes of all files below `folder`, from which others may take files meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total


def in_words(count: float) -> str:
    """Return a number of bytes as people write it: 512 B, 1.5 GiB."""
    for unit in _UNITS[:-1]:
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == _UNITS[0] else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {_UNITS[-1]}"


def _number(error: BaseException) -> int | None:
    """Return the system's number of an error, also of one that a library has wrapped."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if found := _RUST_ERROR.search(str(error)):
        return int(found[1])
    return _number(error.__cause__) if error.__cause__ is not None else None
