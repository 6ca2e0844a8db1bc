"""Whose the server is that services are to use, and that two commands do not get in each other's way."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prefect.settings import PREFECT_API_URL

from flows.services.conduct import (
    end_all,
    end_stale_workers,
    one_at_a_time,
    place_of,
    start_server,
    start_workers,
    surroundings,
)
from flows.services.crew import SERVER, UNPINNED, Surroundings, remember_url, remembered_url
from flows.services.service import Service
from moongate.models.leases import declared_slots

HERE = "127.0.0.1"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty store, of a user who has chosen no server."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    yield tmp_path / "store"
    end_all(place_of(tmp_path / "store"))


@pytest.fixture
def answering(prefect_server: None) -> str:
    """The API of a server that answers."""
    return str(PREFECT_API_URL.value())


def sleeper(name: str) -> Service:
    return Service(name, "a test", (sys.executable, "-c", "import time; time.sleep(100)"))


def keep_running(around: Surroundings) -> None:
    """Have a process run in the server's place."""
    remember_url(around)
    around.place.start(sleeper(SERVER), around.store)


def test_a_server_of_somebody_else_is_used_as_it_is(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://lab:4200/api/")
    assert surroundings(store, HERE, 4200) == Surroundings(store, "http://lab:4200/api", ours=False)


def test_a_server_of_somebody_else_on_our_port_is_used_when_the_environment_names_it(
    store: Path, answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", answering)
    port = urlsplit(answering).port or 0
    assert surroundings(store, HERE, port) == Surroundings(store, answering, ours=False)
    remember_url(Surroundings(store, answering))
    assert surroundings(store, HERE, 4200) == Surroundings(store, answering, ours=False)


def test_our_server_is_started_where_the_environment_says_that_it_was(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Surroundings(store, f"http://{HERE}:9/api")
    monkeypatch.setenv("PREFECT_API_URL", ours.url)
    assert surroundings(store, HERE, 9) == ours


def test_a_server_that_listens_on_every_address_has_one_that_can_be_opened(store: Path) -> None:
    assert surroundings(store, "0.0.0.0", 4300).url == "http://127.0.0.1:4300/api"


def test_our_server_that_runs_is_ours_whatever_port_is_asked_for(
    store: Path, answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_running(ours := Surroundings(store, answering))
    assert surroundings(store, HERE, 4999) == ours
    assert start_server(ours, HERE, 4999, store) is False
    assert remembered_url(store) == answering
    monkeypatch.setenv("PREFECT_API_URL", answering)
    assert surroundings(store, HERE, 4999) == ours
    monkeypatch.setenv("PREFECT_API_URL", "http://lab:4200/api")
    assert surroundings(store, HERE, 4999) == Surroundings(store, "http://lab:4200/api", ours=False)


def test_a_second_command_says_that_it_waits_for_the_first(store: Path) -> None:
    said, order = threading.Event(), list[str]()

    def second() -> None:
        with one_at_a_time(place_of(store), said.set):
            order.append("second")

    with one_at_a_time(place_of(store), lambda: None):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert said.wait(30)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_workers_of_slots_and_one_that_holds_none_never_run_side_by_side(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.mkdir()
    around, slots = (
        Surroundings(store, f"http://{HERE}:9/api"),
        declared_slots({"MOONGATE_DEVICE_SLOTS": "2"}),
    )
    for name in (UNPINNED, "worker-slot-0", "worker-slot-1", "worker-GPU-a", "worker-cpu", SERVER):
        around.place.start(sleeper(name), store)
    monkeypatch.setenv("MOONGATE_DEVICE_SLOTS", "2")
    assert end_stale_workers(around.place, slots[:1]) == [UNPINNED]
    monkeypatch.setenv("MOONGATE_DEVICE_SLOTS", "1")
    assert end_stale_workers(around.place, slots[:1]) == ["worker-slot-1"]
    assert start_workers(around, (), store) == []
    assert around.place.running(UNPINNED) is None
    for name in ("worker-slot-0", "worker-GPU-a", "worker-cpu", SERVER):
        assert around.place.running(name)
