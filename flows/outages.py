"""Waiting for a Prefect server that does not answer for a while: restarted, updated, or out of reach."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from httpx import HTTPStatusError
from prefect.settings import PREFECT_API_URL

from flows.refusals import passes
from moongate import interruption
from moongate.errors import ConfigError
from tasks.transience import is_lost_connection

R = TypeVar("R")
_POLL_S = 0.5
_log = logging.getLogger("moongate.server")


class LostServerError(ConfigError):
    """The Prefect server has been out of reach for longer than it is waited for."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        limit_s: when it is given up, counted from the first call that was lost.
        pause_s: between two calls.
        remind_s: between two lines in the log.
    """

    limit_s: float = 15 * 60
    pause_s: float = 5
    remind_s: float = 60


PATIENT = Patience()


def outlasting(call: Callable[[], R], patience: Patience = PATIENT) -> R:
    """Return what `call` gives, calling again as long as the server does not answer, or is in trouble itself.

    Raises:
        LostServerError: when it stays so.
        StopError: when the process was asked to stop while it waited.
        Exception: whatever else `call` raises.
    """
    lost_at = told_at = None
    while True:
        try:
            return call()
        except Exception as error:
            in_trouble = isinstance(error, HTTPStatusError) and passes(error)
            if not (in_trouble or is_lost_connection(error)):
                raise
            now = time.monotonic()
            lost_at = now if lost_at is None else lost_at
            if now - lost_at >= patience.limit_s:
                raise _lost(error, now - lost_at) from error
            if told_at is None or now - told_at >= patience.remind_s:
                told_at = now
                _log.warning("waiting for the Prefect server: %s: %s", type(error).__name__, error)
        _pause(patience.pause_s)


def _pause(seconds: float) -> None:
    """Sleep, in pieces so that a request to stop is heard."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        interruption.heed()
        time.sleep(min(_POLL_S, left))


def _lost(error: Exception, seconds: float) -> LostServerError:
    return LostServerError(
        "the Prefect server was lost",
        where=str(PREFECT_API_URL.value()),
        why=f"no answer for {seconds:.0f} s: {type(error).__name__}: {error}",
        fix="start it again, and give the same command: it goes on from what the store has",
    )
