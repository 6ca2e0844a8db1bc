"""Errors as they really come out of connections that nobody answers."""

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import requests
from huggingface_hub import snapshot_download

from moongate.errors import InputError, ModelError
from moongate.interruption import StopError
from tasks.transience import is_lost_connection


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def explained(fetch: Callable[[], object]) -> ModelError:
    """The error that a stage makes of what `fetch` raises."""
    with pytest.raises(ModelError) as caught:
        try:
            fetch()
        except OSError as error:
            raise ModelError("no model", where="hub", why=str(error), fix="try later") from error
        except httpx.HTTPError as error:
            raise ModelError("no model", where="hub", why=str(error), fix="try later") from error
    return caught.value


@pytest.mark.parametrize("library", [httpx, requests])
def test_a_refused_connection_is_one_whichever_library_asked(library, nobody: str) -> None:
    error = explained(lambda: library.get(nobody))
    assert is_lost_connection(error)
    assert is_lost_connection(error.__cause__)


def test_a_hub_that_nobody_answers_for_is_one_however_deep_it_is_explained(
    nobody: str, tmp_path: Path
) -> None:
    assert is_lost_connection(
        explained(lambda: snapshot_download("owner/name", endpoint=nobody, cache_dir=tmp_path))
    )


def test_what_was_met_while_a_lost_connection_was_being_handled_came_from_it() -> None:
    with pytest.raises(ValueError, match="empty answer") as caught:
        try:
            raise ConnectionResetError
        except ConnectionResetError:
            int("empty answer")
    assert is_lost_connection(caught.value)


def test_an_answer_that_says_no_is_none(tmp_path: Path) -> None:
    refused = httpx.HTTPStatusError(
        "404", request=httpx.Request("GET", "http://hub"), response=httpx.Response(404)
    )
    assert not is_lost_connection(refused)
    assert not is_lost_connection(InputError("no picture", where="here", why="so", fix="mend it"))


def test_a_wish_to_stop_while_a_connection_was_waited_for_is_none() -> None:
    with pytest.raises(StopError) as caught:
        try:
            raise TimeoutError
        except TimeoutError:
            raise StopError  # noqa: B904 - that one was raised during the other is the point
    assert not is_lost_connection(caught.value)


def test_errors_that_are_one_anothers_cause_are_looked_at_once() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert not is_lost_connection(first)
