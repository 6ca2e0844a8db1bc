"""A request to stop, and the points at which work heeds it: those where nothing that is finished is lost.

A front end asks, from a signal handler for example; work that lasts looks now and then. Both are about the
whole process, and so is what is kept here.
"""

_asked_by: list[int] = []


class StopError(KeyboardInterrupt):
    """Work left off because it was asked to, at a point from which the same work goes on.

    It is a `KeyboardInterrupt`, so nothing that catches errors takes it for a failure.
    """


def ask_to_stop(signal_number: int) -> None:
    """Ask the work of this process to stop at its next good point.

    Args:
        signal_number: what asked; the first one counts.
    """
    _asked_by.append(signal_number)


def asked_by() -> int | None:
    """Return the number of the signal that asked to stop; None when nobody has."""
    return _asked_by[0] if _asked_by else None


def forget() -> None:
    """Take the request back: what it asked of has ended, or what comes next is other work."""
    _asked_by.clear()


def heed() -> None:
    """Leave off here if asked to; call it where everything that is finished has been published.

    Raises:
        StopError: when somebody asked to stop.
    """
    if _asked_by:
        raise StopError
