"""Where kills fall: seeded moments within the work of every stage instance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from benchmarks.kills.events import Event, Instance

# Raised when the same seed gives other moments, so that kills of the earlier ones are not counted with them.
RULE = 2
# Training has a single instance in a chain, the longest, and the state that is hardest to keep.
_TIMES: Mapping[str, int] = MappingProxyType({"train": 3})
# Of the time before the first piece of work, models are loaded for most; only its last part is of interest.
_EARLIEST = 0.75


@dataclass(frozen=True)
class Course:
    """How an instance went when nobody killed it.

    Attributes:
        instance: stage and role.
        gaps_s: seconds before its first piece of work, between one and the next, and after the last.
    """

    instance: Instance
    gaps_s: tuple[float, ...]


@dataclass(frozen=True)
class Strike:
    """A moment: so many pieces into the work of an instance, and then so many seconds.

    With 0 seconds the process kills itself right there. After any other time its parent does, whatever the
    process has come to by then: on a busy machine that can be a later stage.
    """

    instance: Instance
    pieces: int
    delay_s: float


def courses(events: Sequence[Event]) -> tuple[Course, ...]:
    """Return the instances of a run that was not killed, in order."""
    moments: dict[Instance, list[float]] = {}
    for event in events:
        if event.what != "published":
            moments.setdefault(event.instance, []).append(event.at)
    return tuple(
        Course(instance, tuple(later - earlier for earlier, later in pairwise(times)))
        for instance, times in moments.items()
    )


def strikes(courses: Sequence[Course], seed: int, number: int) -> tuple[Strike, ...]:
    """Return the strikes of round `number`, in the order of the chain: one an instance, several in training.

    The moment is uniform over the pieces of work of the instance, from shortly before the first to after the
    last, where the artifact is written, hashed and published; and then uniform until the next piece is done.
    """
    generator = np.random.Generator(np.random.PCG64([seed, number]))
    return tuple(strike for course in courses for strike in _strikes(course, generator))


def _strikes(course: Course, generator: np.random.Generator) -> Iterator[Strike]:
    times = _TIMES.get(course.instance[0], 1)
    before = 0
    for moment in sorted(generator.uniform(_EARLIEST, len(course.gaps_s), times)):
        done = int(moment)
        # A process that goes on tells what it takes up as one piece.
        own = done - before + 1 if before else done
        yield Strike(course.instance, own, float(moment - done) * course.gaps_s[done])
        before = done


class Aim:
    """Watches what a process tells for the moment of its strike."""

    def __init__(self, strike: Strike) -> None:
        self.strike = strike
        self._pieces = 0

    def is_reached(self, event: Event) -> bool:
        """Tell whether `event` is the one after which the strike falls, or the instance is over anyway."""
        if event.instance != self.strike.instance:
            return False
        self._pieces += event.what == "advanced"
        return self._pieces >= self.strike.pieces or event.what == "ended"
