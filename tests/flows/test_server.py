import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from flows.server import Api, _free_slot, configured_url, wait_until_healthy
from moongate.errors import ConfigError

PROFILES = """
active = "lab"
[profiles.lab]
PREFECT_API_URL = "http://lab:4200/api"
[profiles.home]
"""


@pytest.fixture
def prefect_home(tmp_path: Path) -> str:
    (tmp_path / "profiles.toml").write_text(PROFILES)
    return str(tmp_path)


def test_the_environment_decides_before_the_profile(prefect_home: str) -> None:
    chosen = {"PREFECT_API_URL": "http://here:4200/api", "PREFECT_HOME": prefect_home}
    assert configured_url(chosen) == "http://here:4200/api"
    assert configured_url({"PREFECT_HOME": prefect_home}) == "http://lab:4200/api"


def test_a_profile_without_an_api_asks_for_a_private_server(prefect_home: str, tmp_path: Path) -> None:
    assert configured_url({"PREFECT_HOME": prefect_home, "PREFECT_PROFILE": "home"}) is None
    assert configured_url({"PREFECT_HOME": str(tmp_path / "empty")}) is None


def test_a_server_that_does_not_answer_is_an_error_with_advice() -> None:
    with pytest.raises(ConfigError, match="unset PREFECT_API_URL"):
        wait_until_healthy(Api("http://127.0.0.1:9/api", private=False))


USE_AND_DIE = """
import os, sys
from pathlib import Path
from flows.server import prefect_api, wait_until_healthy
with prefect_api(Path(sys.argv[1])) as api:
    import prefect
    wait_until_healthy(api)

    @prefect.task
    def double(number):
        return 2 * number

    @prefect.flow
    def sums():
        return double(21)

    print(sums(), api.url, flush=True)
    if sys.argv[2] == "die":
        os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("ending", ["return", "die"])
def test_a_private_server_is_silent_and_ends_with_its_command(ending: str, prefect_store: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environment |= {"HOME": str(prefect_store), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", USE_AND_DIE, str(prefect_store), ending],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    answer, url = done.stdout.split()
    assert answer == "42"
    assert_gone(url)


HEARTBEAT = """
import sys
from pathlib import Path
from flows.server import prefect_api
with prefect_api(Path(sys.argv[1])):
    from prefect.settings import get_current_settings
    print(get_current_settings().flows.heartbeat_frequency)
"""


def test_a_command_reports_to_a_server_as_often_as_a_worker_does(tmp_path: Path) -> None:
    assert said_by(HEARTBEAT, tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api") == "30"


START_AND_DIE = """
import os, sys
from pathlib import Path
from flows.server import prefect_api
with prefect_api(Path(sys.argv[1])) as api:
    os.kill(os.getpid(), 9)
"""


def test_the_database_of_a_killed_command_is_free_when_its_server_has_ended(tmp_path: Path) -> None:
    said_by(START_AND_DIE, tmp_path)
    home = tmp_path / "prefect"
    (server,) = [process for process in psutil.process_iter() if is_server_of(process, home)]
    server.send_signal(signal.SIGSTOP)
    try:
        assert first_free_slot(home) == "private-1"
    finally:
        server.kill()
    psutil.wait_procs([server], timeout=20)
    assert first_free_slot(home) == "private-0"


def said_by(code: str, home: Path, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environment |= {"HOME": str(home), "PYTHONPATH": str(Path.cwd())} | variables
    done = subprocess.run(
        [sys.executable, "-c", code, str(home)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    return done.stdout.strip()


def is_server_of(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("PREFECT_HOME") == str(home)
    except psutil.Error:
        return False


def first_free_slot(home: Path) -> str:
    with _free_slot(home) as (slot, _):
        return slot


@pytest.fixture(scope="module")
def prefect_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all private servers here, so that only the first migrates a database."""
    return tmp_path_factory.mktemp("store")


def assert_gone(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urlopen(f"{url}/health", timeout=5)
        except (URLError, OSError):
            return
        time.sleep(0.1)
    pytest.fail(f"{url} still answers")
