"""OS locks that say who holds them: the file's content is the holder's, the lock tells whether it is true.

A killed process leaves its words in the file and loses the lock, so they are believed only while it is held.
"""

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from moongate.errors import StoreError

# Who only looks has the lock for microseconds.
LOOK_S = 0.01
LOOKS_TIMEOUT_S = 2.0
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        pid: process id; 0 when it has not been written yet.
        purpose: what the process does.
        since: UTC in ISO 8601.
    """

    pid: int = 0
    purpose: str = "a process that does not say"
    since: str = ""

    def __str__(self) -> str:
        return f"{self.purpose} (process {self.pid}, since {self.since})" if self.pid else self.purpose


@contextmanager
def held_if_free(path: Path, purpose: str) -> Iterator[bool]:
    """Hold the lock and yield True; yield False at once when somebody else has it."""
    with open_lock(path) as stream:
        if not try_lock(stream):
            yield False
            return
        write_holder(stream, os.getpid(), purpose)
        yield True


def holder_of(path: Path) -> Holder | None:
    """Return who holds the lock; None when nobody does.

    Raises:
        StoreError: when the file is a link, or another user keeps it to himself.
    """
    try:
        with os.fdopen(_opened(path, os.O_RDONLY), "r", encoding="utf-8") as stream:
            # Shared, so that two who only look do not take each other for holders.
            return None if _locked(stream, fcntl.LOCK_SH) else _read(stream)
    except FileNotFoundError:
        return None


def open_lock(path: Path) -> IO[str]:
    """Open a lock file, making it and its folder where they are missing.

    Whoever may write in the folder may take the lock, whatever the umask of who made the file.

    Raises:
        StoreError: when the file is a link, which somebody may have laid so that another file is overwritten;
            or when another user keeps the file, or the folder, to himself.
    """
    while True:
        try:
            # Without O_CREAT: Linux refuses it for a file of another user in a folder that all may write.
            return os.fdopen(_opened(path, os.O_RDWR), "r+", encoding="utf-8")
        except FileNotFoundError:
            _make(path)


def try_lock(stream: IO[str]) -> bool:
    """Take the lock unless somebody else has it, and tell which; it lasts as long as the file is open."""
    deadline = time.monotonic() + LOOKS_TIMEOUT_S
    while not _locked(stream, fcntl.LOCK_EX):
        if not _locked(stream, fcntl.LOCK_SH) or time.monotonic() > deadline:
            return False
        # Nobody holds it: somebody looks whether it is held, and is gone in a moment.
        fcntl.flock(stream, fcntl.LOCK_UN)
        time.sleep(LOOK_S)
    return True


def own_folder(path: Path) -> Path:
    """Return a folder for locks that nobody else can write to, made where it is missing.

    Its place may be one where everybody makes folders, such as /tmp.

    Raises:
        StoreError: when somebody else has made it, or it is no folder.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise _not_ours(path, "it is a link" if stat.S_ISLNK(found.st_mode) else "it is no folder")
    if found.st_uid != os.geteuid():
        raise _not_ours(path, f"it belongs to the user with id {found.st_uid}")
    if found.st_mode & _OTHERS_MAY_WRITE:
        # Made by ourselves, under a umask that lets others write.
        path.chmod(0o700)
    return path


def write_holder(stream: IO[str], pid: int, purpose: str) -> None:
    """Say who holds a lock that has been taken."""
    stream.seek(0)
    stream.truncate()
    stream.write(json.dumps(asdict(Holder(pid, purpose, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"))))
    stream.flush()


def _locked(stream: IO[str], mode: int) -> bool:
    try:
        fcntl.flock(stream, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(stream: IO[str]) -> Holder:
    stream.seek(0)
    try:
        return Holder(**json.loads(stream.read()))
    except (json.JSONDecodeError, TypeError):
        return Holder()


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    except PermissionError as error:
        raise _closed(path) from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise StoreError(
            "a lock cannot be taken",
            where=str(path),
            why="the file is a link; it would be written to, wherever it leads",
            fix="find out who laid it, and remove it",
        ) from error


def _make(path: Path) -> None:
    with suppress(FileExistsError):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except PermissionError as error:
            raise _closed(path) from error
        try:
            shared_with = path.parent.stat().st_mode & _OTHERS_MAY_WRITE
            # Reading comes with writing: the holder is read from the file.
            os.fchmod(descriptor, os.fstat(descriptor).st_mode | shared_with | shared_with << 1)
        finally:
            os.close(descriptor)


def _closed(path: Path) -> StoreError:
    try:
        why = f"it belongs to the user with id {path.lstat().st_uid} and may not be opened by others"
    except OSError:
        why = "its folder may not be entered or written by this user"
    return StoreError(
        "a lock cannot be taken",
        where=str(path),
        why=why,
        fix="have its owner remove it, or let the folder, and the file, be writable for all who use it",
    )


def _not_ours(path: Path, why: str) -> StoreError:
    return StoreError(
        "the folder of locks cannot be trusted",
        where=str(path),
        why=why,
        fix="have it removed, or let MOONGATE_DEVICE_LOCKS name another one for all who share devices",
    )
