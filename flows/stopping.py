"""SIGINT and SIGTERM for a command that works: leave off where nothing is lost, and in any case soon.

The first signal only asks. The work heeds it when its step is done and published; after `PATIENCE_S`, or at a
second signal, it is broken off where it is; and after `DEADLINE_S` the process ends, however busy it is. None
of that can do more harm than `kill -9`, which every stage goes on from.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread, get_ident
from types import FrameType

from moongate import interruption
from moongate.interruption import StopError

PATIENCE_S = 5.0
DEADLINE_S = 9.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# What a shell reports of a command that a signal ended: 130 for SIGINT, 143 for SIGTERM.
_SIGNAL_STATUS = 128


@contextmanager
def stoppable() -> Iterator[None]:
    """Within, SIGINT and SIGTERM stop the work gently, and the command ends with status 130 or 143.

    A signal that the command was started without stays ignored. Enter it in the main thread.

    Raises:
        SystemExit: when a signal stopped the work; how to go on has been said by then.
    """
    watch = _Watch(get_ident())
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, watch.on_signal)
    _watching.append(watch)
    Thread(target=watch.hurry, daemon=True).start()
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or (asked_by := interruption.asked_by()) is None:
            raise
        _say_how_to_go_on(asked_by)
        sys.exit(_SIGNAL_STATUS + asked_by)
    finally:
        watch.end()
        _watching.remove(watch)
        for number, handler in before.items():
            signal.signal(number, handler)
        interruption.forget()


@contextmanager
def heeding_stops() -> Iterator[None]:
    """Within a flow of a stoppable command, take SIGTERM back from Prefect, which would break the work off.

    A flow that a Prefect worker runs keeps Prefect's way, for its server has to hear of the cancellation.
    """
    if not _watching:
        yield
        return
    prefects = signal.signal(signal.SIGTERM, _watching[-1].on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, prefects)


class _Watch:
    """Turns signals into requests, and hurries the main thread once there is one."""

    def __init__(self, main_thread: int) -> None:
        self._main_thread = main_thread
        self._asked = Event()
        self._over = Event()

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Ask to stop; break the work off where it is when that has been asked before."""
        if interruption.asked_by() is not None:
            raise StopError
        interruption.ask_to_stop(number)
        self._asked.set()

    def hurry(self) -> None:
        """Ask a second time when patience is at its end, and end the process when that has not helped."""
        self._asked.wait()
        if self._over.wait(PATIENCE_S):
            return
        # To the thread and not to the process: only so does it wake from a lock that it waits for.
        signal.pthread_kill(self._main_thread, signal.SIGTERM)
        if self._over.wait(DEADLINE_S - PATIENCE_S):
            return
        number = interruption.asked_by() or signal.SIGTERM
        _say_how_to_go_on(number)
        os._exit(_SIGNAL_STATUS + number)

    def end(self) -> None:
        """Let the watching thread end; there is nothing to hurry any more."""
        self._over.set()
        self._asked.set()


_watching: list[_Watch] = []


def _say_how_to_go_on(number: int) -> None:
    name = signal.Signals(number).name
    with suppress(OSError):
        sys.stderr.write(f"stopped by {name}: the same command goes on from what is done\n")
        sys.stderr.flush()
