"""What `moongate up` tells a server, on a real one."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.server.events.schemas.automations import Automation
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.remote import submit
from flows.services import installation
from flows.services.crew import CPU_POOL, GPU_POOL
from flows.services.installation import install, prepare, wait_for_server
from flows.services.zombies import NAME
from moongate.errors import ConfigError
from tasks.labels import flush_reports
from tests.flows.troubled_server import troubled

NAMES = ["nightly/one", "nightly/two"]


@flow(name="nightly")
def nightly() -> None:
    pass


@flow(name="somebody else's")
def strange() -> None:
    nightly.fn()


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        for one in client.read_automations_by_name(NAME):
            client.delete_automation(one.id)
        yield client


def automation_of(client: SyncPrefectClient) -> dict[str, Any]:
    every = client.request("POST", "/automations/filter", json={}).json()
    (found,) = [one for one in every if one["name"] == NAME]
    return dict(found)


def events_of(client: SyncPrefectClient, flow_run_id: object) -> list[ReceivedEvent]:
    """Return what the server received of a flow run that has completed."""
    wanted = {"filter": {"resource": {"id": [f"prefect.flow-run.{flow_run_id}"]}}}
    deadline = time.monotonic() + 60
    while True:
        found = client.request("POST", "/events/filter", json=wanted).json()["events"]
        events = [ReceivedEvent.model_validate(event) for event in found]
        if {"prefect.flow-run.heartbeat", "prefect.flow-run.Completed"} <= {one.event for one in events}:
            return events
        assert time.monotonic() < deadline, [one.event for one in events]
        time.sleep(0.2)


def test_pools_and_the_automation_for_dead_runs_are_made_once(client: SyncPrefectClient) -> None:
    prepare(client, NAMES)
    automation = automation_of(client)
    prepare(client, NAMES)
    assert automation_of(client) == automation
    assert {GPU_POOL, CPU_POOL} <= {pool.name for pool in client.read_work_pools()}
    assert automation["enabled"]
    assert automation["trigger"]["posture"] == "Proactive"
    assert automation["actions"][0]["state"] == "CRASHED"
    assert "prefect.flow-run.Degraded" in automation["trigger"]["expect"]


def test_silence_is_more_than_prefects_own_heartbeat(client: SyncPrefectClient) -> None:
    prepare(client, NAMES)
    assert automation_of(client)["trigger"]["within"] > 180


def test_an_automation_of_an_earlier_version_is_brought_up_to_date_and_stays_off_when_it_was(
    client: SyncPrefectClient,
) -> None:
    prepare(client, NAMES)
    wanted = automation_of(client)
    trigger = {**wanted["trigger"], "match_related": {}, "within": 100.0}
    old = {"name": NAME, "enabled": False, "trigger": trigger, "actions": wanted["actions"]}
    client.request("PUT", "/automations/{id}", path_params={"id": wanted["id"]}, json=old)
    assert automation_of(client)["trigger"]["within"] == 100
    prepare(client, NAMES)
    found = automation_of(client)
    assert (found["id"], found["enabled"]) == (wanted["id"], False)
    # A server keeps what is expected as a set, and tells it in any order.
    expected, told = (sorted(one["trigger"].pop("expect")) for one in (wanted, found))
    assert told == expected
    assert found["trigger"] == {**wanted["trigger"], "id": found["trigger"]["id"]}


def test_the_automation_hears_of_runs_of_deployed_flows_and_of_no_others(client: SyncPrefectClient) -> None:
    prepare(client, NAMES)
    trigger = Automation.model_validate(automation_of(client)).trigger
    ours, others = (one(return_state=True).state_details.flow_run_id for one in (nightly, strange))
    flush_reports()
    heard = {one.event for one in events_of(client, ours) if trigger.covers(one)}
    assert {"prefect.flow-run.heartbeat", "prefect.flow-run.Completed"} <= heard
    assert not any(trigger.covers(one) for one in events_of(client, others))


def test_what_is_told_a_server_waits_until_it_answers(client: SyncPrefectClient) -> None:
    with troubled(str(client.api_url)) as trouble:
        trouble.paths, trouble.times = ("/health",), 10**6
        with pytest.raises(ConfigError, match="was not ready"):
            wait_for_server(trouble.url, 0.1)

        def recover() -> None:
            trouble.times = 0

        Timer(0.5, recover).start()
        wait_for_server(trouble.url, 30)
        assert trouble.times == 0


PROJECT = """
deployments:
  - name: small
    entrypoint: flows/small.py:small
    work_pool: {name: moongate-cpu}
    schedules: [{slug: night, cron: "0 2 * * *", active: false}]
"""
FLOW = """
from prefect import flow

@flow(name="small of a test")
def small(%s) -> None:
    pass
"""


def test_deployments_are_applied_again_when_their_flow_has_got_a_parameter(
    client: SyncPrefectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, folder = tmp_path / "project", tmp_path / "services"
    for path, text in (("deployments/prefect.yaml", PROJECT), ("flows/small.py", FLOW % "steps: int = 1")):
        (project / path).parent.mkdir(parents=True)
        (project / path).write_text(text)
    folder.mkdir()
    monkeypatch.setenv("PREFECT_API_URL", str(client.api_url))
    assert install(project, folder) is True
    assert install(project, folder) is False
    with pytest.raises(ConfigError, match="not rate"):
        submit("small of a test/small", {"rate": 2})
    (project / "flows/small.py").write_text(FLOW % "steps: int = 1, rate: int = 1")
    assert install(project, folder) is True
    assert submit("small of a test/small", {"rate": 2}).parameters["rate"] == 2


@pytest.mark.parametrize("status", [401, 500, None])
def test_a_server_that_refuses_or_does_not_answer_is_one_clear_error(
    client: SyncPrefectClient, tmp_path: Path, status: int | None
) -> None:
    with troubled(str(client.api_url)) as trouble:
        trouble.status, trouble.paths, trouble.times = status or 0, ("/work_pools/",), 10**6
        url = trouble.url if status else "http://127.0.0.1:9/api"
        with (
            temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}),
            pytest.raises(ConfigError, match="did not let us apply the deployments") as refused,
        ):
            install(installation.project_folder(), tmp_path)
    assert refused.value.where.rstrip("/") == url
    assert ("PREFECT_API_KEY" in refused.value.fix) == (status == 401)


def test_without_a_server_to_tell_the_installation_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="PREFECT_API_URL"):
        installation.main()
