import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.services.crew import Surroundings, remember_url
from moongate.models.leases import lease_folder, lease_one, visible_devices
from moongate.models.tenancy import Tenant, tenancy


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOONGATE_HOME", str(tmp_path / "store"))
    monkeypatch.setenv("MOONGATE_DEVICE_SLOTS", "2")
    monkeypatch.setenv("MOONGATE_DEVICE_LOCKS", str(tmp_path / "devices"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "store"


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    return done.output


def test_down_where_nothing_runs_ends_nothing_and_is_no_error() -> None:
    assert "Nothing was running." in CliRunner().invoke(app, ["down"]).output


def test_status_tells_who_holds_which_device_and_that_the_server_is_gone(home: Path) -> None:
    remember_url(Surroundings(home, "http://127.0.0.1:9/api"))
    with tenancy(Tenant("train tuned of r1")), lease_one(visible_devices(), lease_folder()) as device:
        report = json.loads(said("status", "--json"))
    assert (report["url"], report["healthy"], report["runs"]) == ("http://127.0.0.1:9/api", False, [])
    first, second = report["devices"]
    assert (first["device"], first["holder"]["purpose"]) == (device.label, "train tuned of r1")
    assert second["holder"] is None
    shown = said("status")
    assert "Which flow runs are going on is unknown: the server does not answer." in shown
    assert "No flow runs" not in shown


class Locked(BaseHTTPRequestHandler):
    """A server that refuses everybody, and remembers how they logged in."""

    def answer(self) -> None:
        self.server.logins.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
        self.send_response(401)
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815 - so they must be called

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def up(home: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run `moongate up` as a user whose Prefect profile names a server and the key to it."""
    profile = {"PREFECT_API_URL": url, "PREFECT_API_KEY": "key-of-the-lab"}
    prefect_home = home.with_name("prefect")
    prefect_home.mkdir()
    lines = ['active = "lab"', "[profiles.lab]", *(f'{name} = "{value}"' for name, value in profile.items())]
    (prefect_home / "profiles.toml").write_text("\n".join(lines))
    command = [sys.executable, "-m", "flows.cli", "up"]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_up_logs_in_to_the_server_of_the_users_profile_and_says_when_that_is_refused(home: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Locked) as server:
        server.logins = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = up(home, f"http://127.0.0.1:{server.server_port}/api")
        server.shutdown()
        assert "Bearer key-of-the-lab" in server.logins  # type: ignore[attr-defined]
    assert done.returncode != 0
    assert "401 Unauthorized" in done.stderr
    assert "set PREFECT_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_says_when_the_server_of_the_users_profile_does_not_answer(home: Path) -> None:
    done = up(home, "http://127.0.0.1:9/api")
    assert done.returncode != 0
    assert "the Prefect server does not answer\n  where: http://127.0.0.1:9/api" in done.stderr
    assert "Traceback" not in done.stderr
