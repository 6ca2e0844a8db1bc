"""The three ways in which a command shows its work: to a person, to a person who waits, and to a program."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic
from typing import Protocol, TextIO

from flows.announcing import listening
from flows.events import Event, Message, StageProgress, StageStarted
from flows.terminal import SHOWN_LOGGERS, Terminal, console
from moongate.progress import Silent
from tasks.progress import reporting_to

PROGRESS_EVERY_S = 1.0


class FrontEnd(Protocol):
    """Shows what happens within its contexts."""

    def starting(self) -> AbstractContextManager[object]:
        """Show that a server is being started."""
        ...

    def showing(self) -> AbstractContextManager[None]:
        """Show what flows do."""
        ...


class Talking:
    """Bars while a stage works, and a line for each that is done; on standard error."""

    def __init__(self) -> None:
        self._screen = console()

    def starting(self) -> AbstractContextManager[object]:
        """Show a spinner."""
        return self._screen.status("Starting")

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show bars and log lines."""
        terminal = Terminal(self._screen)
        with reporting_to(terminal), terminal.live(logging.INFO):
            yield


class Quiet:
    """Errors, and nothing else."""

    def starting(self) -> AbstractContextManager[object]:
        """Show nothing."""
        return nullcontext()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show the log's errors."""
        with reporting_to(Silent()), Terminal(console()).live(logging.ERROR):
            yield


class JsonLines:
    """Every event as one line of JSON, written when it happens. It is also the display of progress."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stage: StageStarted | None = None

    def starting(self) -> AbstractContextManager[object]:
        """Show nothing."""
        return nullcontext()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Write events, progress among them, and the log's warnings and errors."""
        handler = _Messages(self.hear)
        loggers = [logging.getLogger(name) for name in SHOWN_LOGGERS]
        for logger in loggers:
            logger.addHandler(handler)
        try:
            with listening(self.hear), reporting_to(self):
                yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)

    def hear(self, event: Event) -> None:
        """Write one event. When nobody reads any more, the work goes on all the same."""
        if isinstance(event, StageStarted):
            self._stage = event
        try:
            # In ASCII: Unicode has line ends of its own, which some readers of lines would stop at.
            self._stream.write(json.dumps(event.model_dump(mode="json")) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            # What comes is written to nowhere: Python would complain of it once more at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield an `advance(n)` that says how far it is, at most once in `PROGRESS_EVERY_S`."""
        done, said_at, said = 0, monotonic(), 0

        def advance(count: int) -> None:
            nonlocal done, said_at, said
            done += count
            if monotonic() - said_at >= PROGRESS_EVERY_S:
                said_at, said = monotonic(), done
                self._say(description, done, total)

        yield advance
        if done > said:
            self._say(description, done, total)

    def _say(self, what: str, done: int, total: int) -> None:
        if (at := self._stage) is not None:
            where = {"run_id": at.run_id, "stage": at.stage, "role": at.role}
            self.hear(StageProgress(**where, what=what, done=done, total=total))


class _Messages(logging.Handler):
    """Warnings and errors of the log, as events."""

    def __init__(self, hear: Callable[[Event], None]) -> None:
        super().__init__(logging.WARNING)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        self._hear(Message(level=level, text=record.getMessage()))


def front_end(*, quiet: bool, as_json: bool) -> FrontEnd:
    """Return the front end that was asked for; JSON is for programs, which quiet does not concern."""
    if as_json:
        return JsonLines(sys.stdout)
    return Quiet() if quiet else Talking()
