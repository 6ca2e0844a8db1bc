"""What `moongate up` tells a server, on a real one."""

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule

from flows.services.crew import CPU_POOL, GPU_POOL
from flows.services.installation import ZOMBIES, activity, prepare, restore

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow(name="nightly")
def nightly() -> None:
    pass


def apply(client: SyncPrefectClient) -> str:
    """Do what `prefect deploy` does: say of a schedule that it is not active."""
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 2 * * *"), active=False, slug="night")
    flow_id = client.create_flow(nightly)
    return str(client.create_deployment(flow_id, "one", work_pool_name=GPU_POOL, schedules=[schedule]))


def test_pools_and_the_automation_for_dead_runs_are_made_once() -> None:
    with get_client(sync_client=True) as client:
        prepare(client)
        prepare(client)
        pools = {pool.name for pool in client.read_work_pools()}
        automations = client.request("POST", "/automations/filter", json={}).json()
    assert {GPU_POOL, CPU_POOL} <= pools
    (automation,) = [one for one in automations if one["name"] == ZOMBIES]
    assert automation["enabled"]
    assert automation["trigger"]["posture"] == "Proactive"
    assert automation["actions"][0]["state"] == "CRASHED"
    assert "prefect.flow-run.Degraded" in automation["trigger"]["expect"]


def test_a_schedule_that_somebody_has_switched_on_stays_on_when_deployments_are_applied_again() -> None:
    with get_client(sync_client=True) as client:
        prepare(client)
        deployment = apply(client)
        night = (deployment, "night")
        assert activity(client)[night] is False
        restore(client, {night: True})
        before = activity(client)
        assert before[night] is True
        apply(client)
        assert activity(client)[night] is False
        restore(client, before)
        assert activity(client)[night] is True
