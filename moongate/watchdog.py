"""Ends a process whose work hangs: a call into a driver or a file system that never returns.

Nothing in Python can interrupt such a call, and an exception raised in another thread waits for it. So the
process ends, and with it every lock and device that it held; what is done is on disk, and the same command
goes on from there. Two watchers look, because a call may keep the interpreter from running anything else: a
thread of Python, which can say in the log what it does, and a timer in C, which needs no interpreter.
"""

import faulthandler
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TextIO

from moongate.errors import ConfigError
from moongate.progress import Progress

VARIABLE = "MOONGATE_HUNG_AFTER_S"
# Of sysexits.h: the failure is temporary, and trying again is the thing to do.
EXIT_STATUS = 75
REPORT_NAME = "watchdog.txt"
# So much later the timer in C fires, should the thread not have been able to.
GRACE_S = 20.0
LOOKS_PER_LIMIT = 20

_log = logging.getLogger(__name__)


def limit_of(environment: Mapping[str, str]) -> float | None:
    """Return after how many seconds without progress work counts as hanging; None for never.

    Never is the default, since only who knows model and machine can say what no healthy step takes: loading
    a model over a network, or the first kernels of a GPU, are silent for minutes.

    Raises:
        ConfigError: when the variable is no number.
    """
    word = environment.get(VARIABLE) or "0"
    try:
        limit = float(word)
    except ValueError:
        limit = -1.0
    if not 0.0 <= limit < float("inf"):
        raise ConfigError(
            "the limit of the watchdog cannot be read",
            where=VARIABLE,
            why=f"it is {word!r}",
            fix=f"give seconds, such as {VARIABLE}=3600; 0 turns it off",
        )
    return limit or None


class Watchdog:
    """Watches one piece of work, from its first sign of life on."""

    def __init__(self, limit_s: float, purpose: str, report: TextIO, before_end: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._purpose = purpose
        self._report = report
        self._before_end = before_end
        self._seen: float | None = None
        self._over = Event()

    def sign_of_life(self) -> None:
        """Note that the work goes on."""
        now = time.monotonic()
        # Arming the timer starts a thread of its own, too much for every step of a fast loop.
        if self._seen is None or now - self._seen > self._limit_s / LOOKS_PER_LIMIT:
            faulthandler.dump_traceback_later(self._limit_s + GRACE_S, exit=True, file=self._report)
            if self._seen is None:
                Thread(target=self._look, daemon=True).start()
            self._seen = now

    def end(self) -> None:
        """Watch no longer."""
        self._over.set()
        faulthandler.cancel_dump_traceback_later()

    def _look(self) -> None:
        while not self._over.wait(self._limit_s / LOOKS_PER_LIMIT):
            if self._seen is not None and time.monotonic() - self._seen > self._limit_s:
                self._bite()

    def _bite(self) -> None:
        faulthandler.dump_traceback(self._report)
        _log.error("%s Where it hung: %s", sentence(self._purpose, self._limit_s), self._report.name)
        self._before_end()
        os._exit(EXIT_STATUS)


@contextmanager
def watched(
    limit_s: float | None,
    purpose: str,
    folder: Path,
    before_end: Callable[[], None],
    report_name: str = REPORT_NAME,
) -> Iterator[Callable[[], None]]:
    """Yield the function that is to be called at every sign of life; one piece of work at a time.

    Args:
        limit_s: seconds without a sign of life after which the process ends; None watches nothing.
        purpose: what the work is.
        folder: where the report of a hanging one is left; empty when it did not hang.
        before_end: called in another thread before the process ends, for reports that wait to be sent.
        report_name: of the report; work that is done beside others of the same folder needs one of its own.
    """
    if limit_s is None:
        yield _ignore
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / report_name
    with path.open("w", encoding="utf-8") as report:
        report.write(sentence(purpose, limit_s) + "\n")
        report.flush()
        dog = Watchdog(limit_s, purpose, report, before_end)
        try:
            yield dog.sign_of_life
        finally:
            dog.end()
            with suppress(FileNotFoundError):
                path.unlink()


def verdict(folder: Path) -> str | None:
    """Return why the watchdog ended the work of this folder; None when it did not."""
    try:
        lines = (folder / REPORT_NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    # The first line is written beforehand; what follows says that it came true.
    return f"{lines[0]} Where it hung: {folder / REPORT_NAME}" if len(lines) > 1 else None


def forget(folder: Path) -> None:
    """Remove the report of an earlier attempt, which would explain how a later one ended.

    Args:
        folder: where reports of that work are left; call this before any work of the new attempt.
    """
    (folder / REPORT_NAME).unlink(missing_ok=True)


def sentence(purpose: str, limit_s: float) -> str:
    """Say what a watchdog does, as a sentence."""
    return f"The watchdog ended {purpose}: it made no progress for {limit_s:g} s."


class Watched:
    """A progress display that passes everything on, and takes every step for a sign of life."""

    def __init__(self, progress: Progress, sign_of_life: Callable[[], None]) -> None:
        self._progress = progress
        self._sign_of_life = sign_of_life

    def track(self, description: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Open one bar of `total` items, as the display does."""
        return self._tracked(description, total)

    @contextmanager
    def _tracked(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        self._sign_of_life()
        with self._progress.track(description, total) as advance:

            def advanced(count: int) -> None:
                self._sign_of_life()
                advance(count)

            yield advanced
        self._sign_of_life()


def _ignore() -> None:
    """Take no notice of a sign of life."""
