"""OS locks that say who holds them: the file's content is the holder's, the lock tells whether it is true.

A killed process leaves its words in the file and loses the lock, so they are believed only while it is held.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO


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
    """Return who holds the lock; None when nobody does."""
    try:
        with path.open("r+", encoding="utf-8") as stream:
            # Shared, so that two who only look do not take each other for holders.
            return None if _locked(stream, fcntl.LOCK_SH) else _read(stream)
    except FileNotFoundError:
        return None


def open_lock(path: Path) -> IO[str]:
    """Open a lock file, making it and its folder where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+", encoding="utf-8")


def try_lock(stream: IO[str]) -> bool:
    """Take the lock unless somebody else has it, and tell which; it lasts as long as the file is open."""
    return _locked(stream, fcntl.LOCK_EX)


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
