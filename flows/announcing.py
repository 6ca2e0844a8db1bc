"""Who hears of what happens in a flow: whoever listens in this context, and without a listener nobody."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from flows.events import Event, RunFinished, RunStarted
from flows.terminal import report_path
from moongate.artifacts.store import Store
from moongate.runs import Run

Listener = Callable[[Event], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def announce(event: Event) -> None:
    """Tell the listener of this context."""
    if (listener := _listener.get()) is not None:
        listener(event)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear of what happens within."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def announced(store: Store, opened: AbstractContextManager[Run]) -> Iterator[Run]:
    """Enter `opened`, and announce that its run has begun and, whatever happens, how it has ended."""
    run: Run | None = None
    try:
        with opened as run:
            announce(RunStarted.of(run.record))
            yield run
    finally:
        if run is not None:
            announce(RunFinished.of(run.record, report_path(store, run.record)))
