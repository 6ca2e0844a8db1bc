"""How the core reports progress: a protocol that any front end can implement, and the silent default."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Shows how far a long piece of work is."""

    def track(self, description: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Open one bar of `total` items; the function it yields advances the bar by n items."""
        ...


class Silent:
    """Progress that shows nothing."""

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield an `advance(n)` that does nothing."""
        yield _ignore


def _ignore(advanced: int) -> None:
    """Discard one report of progress."""
