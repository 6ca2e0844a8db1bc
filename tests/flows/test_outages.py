"""Which errors a server is waited for, and for how long."""

import signal

import pytest

from flows.outages import Patience, outlasting
from moongate import interruption
from moongate.errors import ConfigError, InputError
from moongate.interruption import StopError


class Failing:
    """Raises its errors one after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_a_connection_that_comes_back_is_as_if_it_had_never_been_lost() -> None:
    call = Failing(ConnectionRefusedError("down"), ConnectionResetError("starting"))
    assert outlasting(call, Patience(limit_s=10, pause_s=0.01)) == "answer"


def test_a_server_that_stays_away_is_named_with_what_was_last_seen_and_what_to_do() -> None:
    call = Failing(*[ConnectionRefusedError(f"down {number}") for number in range(50)])
    with pytest.raises(ConfigError, match="goes on from what the store has") as caught:
        outlasting(call, Patience(limit_s=0.1, pause_s=0.02))
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert 40 < len(call.errors) < 50


def test_a_long_wait_is_told_now_and_then_and_not_of_every_try(caplog: pytest.LogCaptureFixture) -> None:
    call = Failing(*[ConnectionRefusedError("down")] * 20)
    outlasting(call, Patience(limit_s=60, pause_s=0.01, remind_s=0.1))
    assert 2 <= len(caplog.messages) < 20


def test_an_error_that_is_no_lost_connection_is_raised_at_once() -> None:
    call = Failing(InputError("no picture", where="here", why="so", fix="mend it"), ConnectionError())
    with pytest.raises(InputError, match="no picture"):
        outlasting(call)
    assert len(call.errors) == 1


def test_a_request_to_stop_ends_the_wait() -> None:
    call = Failing(ConnectionRefusedError("down"))
    interruption.ask_to_stop(signal.SIGTERM)
    try:
        with pytest.raises(StopError):
            outlasting(call)
    finally:
        interruption.forget()
