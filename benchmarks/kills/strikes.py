"""Where kills fall: seeded moments within the work of every stage instance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.kills.events import Event, Instance


@dataclass(frozen=True)
class Course:
    """How an instance went when nobody killed it: its pieces of work, and the seconds that all of it took."""

    instance: Instance
    pieces: int
    seconds: float


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
    begun = {event.instance: event for event in events if event.what == "begun"}
    ended = {event.instance: event for event in events if event.what == "ended"}
    return tuple(
        Course(
            instance,
            sum(event.what == "advanced" for event in events if event.instance == instance),
            ended[instance].at - begun[instance].at,
        )
        for instance in begun
    )


def strikes(courses: Sequence[Course], seed: int, number: int) -> tuple[Strike, ...]:
    """Return one strike an instance, in the order of the chain, for round `number`.

    The moment is uniform over the work of the instance, from before its first piece to after its last, where
    it is written, hashed and published.
    """
    generator = np.random.Generator(np.random.PCG64([seed, number]))
    return tuple(_strike(course, float(generator.uniform())) for course in courses)


def _strike(course: Course, share: float) -> Strike:
    pieces, rest = divmod(share * (course.pieces + 1), 1)
    return Strike(course.instance, int(pieces), rest * course.seconds / (course.pieces + 1))


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
