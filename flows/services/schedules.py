"""The deployments that the project's file names, and what people have made of their schedules.

Applying a deployment deletes all of its schedules and makes those of the file anew. So what was switched on,
or added by hand, is noted before and brought back after; deployments of others are never touched.
"""

from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_arguments_from_entrypoint
from ruamel.yaml import YAML

Schedules = dict[UUID, list[DeploymentSchedule]]


def deployment_names(project: Path, file: Path) -> list[str]:
    """Return `<flow>/<deployment>` for every deployment of a file.

    Args:
        project: the folder that its entrypoints start from.
        file: relative to it.
    """
    wanted = YAML(typ="safe", pure=True).load(project / file)["deployments"]
    return [f"{_flow_name(project, one['entrypoint'])}/{one['name']}" for one in wanted]


def schedules_of(client: SyncPrefectClient, names: Iterable[str]) -> Schedules:
    """Return by id the schedules of those of these deployments that the server has."""
    found: Schedules = {}
    for name in names:
        try:
            deployment = client.read_deployment_by_name(name)
        except ObjectNotFound:
            continue
        found[deployment.id] = list(deployment.schedules)
    return found


def restore(client: SyncPrefectClient, before: Schedules) -> None:
    """Bring schedules back to what they were before their deployments were applied.

    One with a slug is the file's: it becomes active or not, as it was. One without was added by hand: it is
    made again.
    """
    for deployment, earlier in before.items():
        present = client.read_deployment(deployment).schedules
        ids, by_slug = {one.id for one in present}, {one.slug: one for one in present if one.slug}
        for schedule in earlier:
            if not schedule.slug and schedule.id not in ids:
                _add(client, deployment, schedule)
            elif (found := by_slug.get(schedule.slug or "")) and found.active != schedule.active:
                _set_active(client, deployment, found.id, active=schedule.active)


def _flow_name(project: Path, entrypoint: str) -> str:
    path, _, function = entrypoint.partition(":")
    stated = load_flow_arguments_from_entrypoint(f"{project / path}:{function}", {"name"})
    return str(stated["name"])


def _add(client: SyncPrefectClient, deployment: UUID, schedule: DeploymentSchedule) -> None:
    again = DeploymentScheduleCreate(
        schedule=schedule.schedule, active=schedule.active, parameters=schedule.parameters
    )
    client.request(
        "POST",
        "/deployments/{id}/schedules",
        path_params={"id": deployment},
        json=[again.model_dump(mode="json", exclude_unset=True)],
    )


def _set_active(client: SyncPrefectClient, deployment: UUID, schedule: UUID, *, active: bool) -> None:
    where = {"id": deployment, "schedule_id": schedule}
    client.request(
        "PATCH", "/deployments/{id}/schedules/{schedule_id}", path_params=where, json={"active": active}
    )
