"""One fault: what is done, what must be said, and what is seen."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moongate.errors import MoongateError

NOTHING = "nothing"
# Between what is wrong and what a person is told to do about it.
NEXT = " Next: "


@dataclass(frozen=True)
class Seen:
    """What became of a fault.

    Attributes:
        message: what was said; behind `NEXT`, what to do about it.
        lost: what has to be computed again, or is gone.
        goes_on: how it went on, as observed.
        as_promised: whether what was lost and how it went on is as it must be.
    """

    message: str
    lost: str
    goes_on: str
    as_promised: bool


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        title: what is done, in words.
        observe: does it in an empty folder.
        says: a part of what must be said.
    """

    title: str
    observe: Callable[[Path], Seen]
    says: str

    def is_met_by(self, seen: Seen) -> bool:
        """Tell whether all is as it must be."""
        return seen.as_promised and self.says in seen.message


def refusal(work: Callable[[], object]) -> str:
    """Return the message of the error that `work` ends with, and what it says to do next, in one line.

    Raises:
        AssertionError: when it does not end with one of the project's errors.
    """
    try:
        work()
    except MoongateError as error:
        return " ".join(f"{error.what}: {error.why}{NEXT}{error.fix}".split())
    raise AssertionError("nothing was said")
