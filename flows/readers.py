"""A process whose output nobody reads any more, for the worker that read it has died."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console


@contextmanager
def outliving_readers() -> Iterator[None]:
    """Within, a log line that nobody can read any more is dropped, and the work goes on.

    The console handler of Prefect would end the process at the first such line: rich takes a broken pipe for
    a wish to stop.
    """
    # Loggers share handlers.
    consoles = {id(console): console for console in _consoles()}.values()
    for console in consoles:
        console.on_broken_pipe = _print_nowhere  # type: ignore[method-assign]
    try:
        yield
    finally:
        for console in consoles:
            del console.on_broken_pipe


def _consoles() -> Iterator[Console]:
    for name in (None, *logging.root.manager.loggerDict):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, PrefectConsoleHandler) and "on_broken_pipe" not in vars(handler.console):
                yield handler.console


def _print_nowhere() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
