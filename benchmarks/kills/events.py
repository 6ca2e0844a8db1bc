"""What a process tells of its work while it lives: the record of a kill is what was told before it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Instance: TypeAlias = tuple[str, str]
What = Literal["begun", "advanced", "published", "ended"]


@dataclass(frozen=True)
class Event:
    """One thing that happened in a stage instance.

    Attributes:
        what: the instance began or ended; its work advanced by `count`; or `published` is safe on disk.
        instance: stage and role.
        at: seconds on the clock that all processes of a machine share.
        count: how far the work advanced, in the stage's own units; of a begun piece, its length.
        published: names of what became safe: a batch's key, or the files of a checkpoint with their digests.
        built: of an ended instance: False where the store had the artifact already.
    """

    what: What
    instance: Instance
    at: float
    count: int = 0
    published: tuple[str, ...] = ()
    built: bool = False


Tell: TypeAlias = Callable[[Event], None]


@dataclass
class Teller:
    """Tells of the instance that is being performed. `clock` is read for each event."""

    send: Tell
    clock: Callable[[], float]
    instance: Instance = field(default=("", ""))

    def tell(
        self, what: What, count: int = 0, published: tuple[str, ...] = (), *, built: bool = False
    ) -> None:
        """Tell one event of the current instance."""
        self.send(Event(what, self.instance, self.clock(), count, published, built))

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Be the progress display of a stage. That nothing is done yet is no piece of work."""
        yield lambda count: self.tell("advanced", count) if count else None
