"""A schedule of a deployment that is switched on, and the run that it then starts by itself."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    DeploymentFilter,
    DeploymentFilterId,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule

from benchmarks.operations.machine import ENDED, Machine, until
from moongate.errors import StoreError

SLUG = "every-night"
# The server looks for what it has to schedule once a minute.
NOTICE = timedelta(seconds=75)


def fired(machine: Machine, deployment: DeploymentResponse, overrides: Sequence[str]) -> UUID:
    """Switch the nightly schedule on for a minute that comes soon, and return the run that it started.

    Raises:
        StoreError: when the run does not complete.
    """
    due = next_minute(datetime.now(UTC) + NOTICE)
    _set(deployment, due, overrides)
    found: list[FlowRun] = []

    def is_there() -> bool:
        found[:] = [run for run in _runs(deployment.id) if run.expected_start_time == due]
        return bool(found)

    until(is_there, f"the server has made a run for {due:%H:%M}")
    run = found[0]
    until(lambda: machine.state(run.id) in ENDED, "the scheduled run has ended")
    if (state := machine.state(run.id)) != "Completed" or not run.auto_scheduled:
        raise StoreError(
            "the scheduled run did not go well",
            where=str(machine.store),
            why=f"it is {state}, and auto_scheduled is {run.auto_scheduled}",
            fix="read the log of the worker in services/",
        )
    return run.id


def next_minute(time: datetime) -> datetime:
    """Return the first whole minute that is not before `time`, which is as fine as a cron line can be."""
    floor = time.replace(second=0, microsecond=0)
    return floor if floor == time else floor + timedelta(minutes=1)


def deployment_of(name: str) -> DeploymentResponse:
    """Return a deployment, `<flow>/<deployment>`."""
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name(name)


def artifacts(flow_run_id: UUID) -> list[Artifact]:
    """Return the artifacts of a flow run."""
    chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=chosen, limit=200)


def descriptions(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a flow's schema says of its parameters and of the fields of the models in them."""
    for model in (schema, *schema.get("definitions", {}).values()):
        for field in model.get("properties", {}).values():
            yield field["description"]


def _set(deployment: DeploymentResponse, due: datetime, overrides: Sequence[str]) -> None:
    nightly = next(one for one in deployment.schedules if one.slug == SLUG)
    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(
            deployment.id,
            nightly.id,
            active=True,
            schedule=CronSchedule(cron=f"{due.minute} {due.hour} * * *", timezone="UTC"),
            parameters={"overrides": list(overrides)},
        )


def _runs(deployment_id: UUID) -> list[FlowRun]:
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(deployment_filter=chosen)
