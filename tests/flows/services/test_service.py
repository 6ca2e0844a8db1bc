"""Real background processes: started once, known when dead, ended with what they started and nothing else."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from flows.services.service import Place, Service, wait_for
from moongate.errors import ConfigError

PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], start_new_session=True)
print("child", child.pid, os.environ["COLOUR"], flush=True)
time.sleep(100)
"""
BRIEF = "print('could not begin')"


def service(code: str, name: str = "one") -> Service:
    return Service(name, "a test", (sys.executable, "-c", code), (("COLOUR", "blue"),))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "services")
    yield place
    for name in place.names():
        place.end(name, 5)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def child_of(place: Place, name: str = "one") -> int:
    until(lambda: place.log(name).read_text().startswith("child"))
    _, pid, colour = place.log(name).read_text().split()
    assert colour == "blue"
    return int(pid)


def test_a_service_is_started_once_and_known_by_its_process(place: Place, tmp_path: Path) -> None:
    assert place.start(service(PARENT), tmp_path) is True
    holder = place.running("one")
    assert holder is not None
    assert psutil.Process(holder.pid).cmdline()[-1] == PARENT
    assert holder.purpose == "a test"
    assert place.start(service(PARENT), tmp_path) is False
    assert place.running("one") == holder


def test_a_service_ends_with_what_it_has_started(place: Place, tmp_path: Path) -> None:
    place.start(service(PARENT), tmp_path)
    child = child_of(place)
    assert place.end("one", 10) is True
    assert place.running("one") is None
    assert not psutil.pid_exists(child)
    assert place.end("one", 10) is False


def test_what_a_killed_service_had_started_is_found_and_ended_too(place: Place, tmp_path: Path) -> None:
    place.start(service(PARENT), tmp_path)
    child = child_of(place)
    holder = place.running("one")
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    os.waitpid(holder.pid, 0)
    until(lambda: place.running("one") is None)
    assert psutil.pid_exists(child)
    assert place.start(service(PARENT), tmp_path) is True
    assert place.end("one", 10) is True
    assert not psutil.pid_exists(child)


def test_a_recycled_process_id_is_never_ended(place: Place, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        place.folder.mkdir()
        place.lock("one").write_text(json.dumps({"pid": innocent.pid, "purpose": "a test", "since": "then"}))
        assert place.running("one") is None
        assert place.end("one", 1) is False
        assert innocent.poll() is None
        innocent.communicate(b"\n", timeout=10)


def test_a_process_that_the_lock_names_from_an_earlier_start_is_never_ended(
    place: Place, tmp_path: Path
) -> None:
    """As after Ctrl-C between a service's start and the note of its process id."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        place.start(service(PARENT), tmp_path)
        child = child_of(place)
        place.lock("one").write_text(json.dumps({"pid": innocent.pid, "purpose": "a test", "since": "then"}))
        assert place.end("one", 10) is True
        assert not psutil.pid_exists(child)
        assert innocent.poll() is None
        innocent.communicate(b"\n", timeout=10)


def test_a_lock_never_names_the_process_of_an_earlier_start(place: Place, tmp_path: Path) -> None:
    before = {"pid": os.getpid(), "purpose": "a test", "since": "then"}
    place.folder.mkdir()
    place.lock("one").write_text(json.dumps(before))
    missing = Service("one", "a test", (str(tmp_path / "missing"),))
    with pytest.raises(FileNotFoundError):
        place.start(missing, tmp_path)
    assert json.loads(place.lock("one").read_text())["pid"] == 0


def test_a_service_starts_while_somebody_looks_whether_it_runs(place: Place, tmp_path: Path) -> None:
    place.folder.mkdir()
    place.lock("one").touch()
    with place.lock("one").open() as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (look, fcntl.LOCK_UN)).start()
        assert place.start(service(PARENT), tmp_path) is True
    assert place.running("one") is not None


def test_two_folders_have_nothing_to_do_with_each_other(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "others")
    place.start(service(PARENT), tmp_path)
    child = child_of(place)
    assert other.end("one", 1) is False
    assert psutil.pid_exists(child)


def test_a_service_that_ends_at_once_is_an_error_that_names_its_log(place: Place, tmp_path: Path) -> None:
    place.start(service(BRIEF), tmp_path)
    with pytest.raises(ConfigError, match="its process has ended") as error:
        wait_for(lambda: False, service(BRIEF), place, 30)
    assert "could not begin" in Path(error.value.where).read_text()
