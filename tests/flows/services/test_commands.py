import json
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
    for name in ("PREFECT_API_URL", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "store"


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    return done.stdout


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
