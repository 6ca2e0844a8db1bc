"""What `moongate status` tells of a server's flow runs; on a real server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Late, Running, Scheduled
from rich.console import Console

from flows.services.report import machine_report
from flows.services.tables import print_report
from tests.flows.troubled_server import troubled


@flow(name="queues")
def queues() -> None:
    pass


@pytest.fixture
def client(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[SyncPrefectClient]:
    monkeypatch.setenv("MOONGATE_DEVICE_LOCKS", str(tmp_path / "devices"))
    with get_client(sync_client=True) as client:
        monkeypatch.setenv("PREFECT_API_URL", str(client.api_url).rstrip("/"))
        yield client


def test_runs_that_are_late_are_told_and_those_that_are_only_planned_are_not(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    states = {
        "late": Late(scheduled_time=now - timedelta(hours=1)),
        "waiting": Scheduled(scheduled_time=now - timedelta(seconds=1)),
        "at-work": Running(),
        "tomorrow": Scheduled(scheduled_time=now + timedelta(days=1)),
    }
    for name, state in states.items():
        client.create_flow_run(queues, name=name, state=state)
    report = machine_report(tmp_path)
    told = {run.name: run.state for run in report.runs if run.name in states}
    assert told == {"late": "Late", "waiting": "Scheduled", "at-work": "Running"}
    assert report.refusal == ""


def test_a_server_that_wants_a_login_is_no_error_and_said(client: SyncPrefectClient, tmp_path: Path) -> None:
    screen = Console(record=True, width=200)
    with troubled(str(client.api_url)) as trouble:
        trouble.status, trouble.paths, trouble.times = 401, ("/health", "/flow_runs/filter"), 10**6
        with pytest.MonkeyPatch.context() as patch, temporary_settings({PREFECT_API_URL: trouble.url}):
            patch.setenv("PREFECT_API_URL", trouble.url)
            report = machine_report(tmp_path)
    assert (report.healthy, report.runs) == (True, [])
    assert report.as_json()["refusal"] == report.refusal
    print_report(screen, report)
    assert "does not tell of its flow runs: 401 Unauthorized; set PREFECT_API_KEY" in screen.export_text()
