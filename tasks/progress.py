"""Which progress displays a task reports to.

A task is handed references and frozen settings only, so the display comes from its context: a terminal sets
one around the flow, and without any (a worker, a served flow) progress goes to the run's log. Where a server
shows the run to people, it is an artifact of the task run besides.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from moongate.progress import Progress

LOG_EVERY_S = 30.0

_log = logging.getLogger("moongate.progress")


class Logged:
    """Progress as log lines, at most one in `LOG_EVERY_S` seconds and one at the end."""

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield an `advance(n)` that counts, and now and then says how far it is."""
        started = said = time.perf_counter()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, said
            done += count
            now = time.perf_counter()
            if now - said >= LOG_EVERY_S:
                said = now
                _log.info("%s: %d of %d after %.0f s", description, done, total, now - started)

        yield advance
        _log.info("%s: %d of %d in %.1f s", description, done, total, time.perf_counter() - started)


class Together:
    """Progress on several displays at once."""

    def __init__(self, *displays: Progress) -> None:
        self._displays = displays

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield an `advance(n)` that advances all of them."""
        with ExitStack() as stack:
            bars = [stack.enter_context(shown.track(description, total)) for shown in self._displays]

            def advance(count: int) -> None:
                for bar in bars:
                    bar(count)

            yield advance


_current: ContextVar[Progress] = ContextVar("progress")


def current_progress() -> Progress:
    """Return the display of this context, with an artifact beside it where people can look at the run.

    Raises:
        ConfigError: when it cannot be read how often the artifact is to be sent.
    """
    # Imported late: a command chooses its display before Prefect may be imported, whose settings it makes.
    from tasks.exhibits import is_watched
    from tasks.progress_artifact import ProgressArtifact, interval_of

    display = _current.get(Logged())
    if not is_watched():
        return display
    return Together(display, ProgressArtifact(interval_of(os.environ)))


@contextmanager
def reporting_to(progress: Progress) -> Iterator[None]:
    """Make tasks submitted within report to `progress`."""
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)
