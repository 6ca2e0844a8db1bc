"""What a schedule comes to on a server, with the packages that the lock file names."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.schedules import IntervalSchedule

HOUR_S = 3600.0


@flow
def nightly() -> None:
    """Do nothing."""


@pytest.mark.usefixtures("prefect_server")
def test_a_schedule_that_is_switched_on_makes_runs_by_itself() -> None:
    # A server whose database layer does not fit goes on as if nothing were wrong, and never makes a run.
    every = IntervalSchedule(interval=timedelta(seconds=HOUR_S), anchor_date=datetime(2026, 1, 1, tzinfo=UTC))
    with get_client(sync_client=True) as client:
        deployment_id = client.create_deployment(
            flow_id=client.create_flow(nightly),
            name="every-hour",
            schedules=[DeploymentScheduleCreate(schedule=every, active=True)],
        )
        # What the server's own scheduler does once a minute.
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment_id}, json={})
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
        )
    due = sorted(run.expected_start_time for run in runs if run.expected_start_time)
    assert len(due) >= 3
    assert all(run.auto_scheduled for run in runs)
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(due)} == {HOUR_S}
