"""What people have made of the schedules of deployments, kept while the deployments are applied again.

Applying a deployment deletes all of its schedules and makes those of the file anew. So what there was is
noted before, in a file, and brought back after, whatever happens in between; deployments of others are never
touched.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentScheduleUpdate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.exceptions import ObjectNotFound
from pydantic import BaseModel, ValidationError

from moongate.artifacts.durability import atomic_file

Schedules = dict[UUID, list[DeploymentSchedule]]

_SWITCH = frozenset({"active"})
_PLAN = frozenset({"schedule", "parameters", "max_scheduled_runs"})


class Notes(BaseModel):
    """What is written down of schedules, by deployment.

    Attributes:
        made: as the file of deployments made them when it was last applied.
        before: as they were before an application that has not been concluded; none where all were.
    """

    made: Schedules = {}
    before: Schedules = {}


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


@contextmanager
def schedules_kept(client: SyncPrefectClient, names: Sequence[str], file: Path) -> Iterator[None]:
    """Apply deployments within; after that, what people have made of their schedules is as it was before.

    When applying them fails, every schedule that there was is as it was before. When this process dies, the
    next application brings them back.

    Args:
        client: of the server.
        names: of the deployments, `<flow>/<deployment>`.
        file: the notes.
    """
    notes, found = _read(file), schedules_of(client, names)
    before = found | {one: earlier for one, earlier in notes.before.items() if one in found}
    _write(file, Notes(made=notes.made, before=notes.before | before))
    # Not those of the notes: what a failed application leaves behind is not the file's word.
    of_the_file: Schedules = {}
    made = notes.made
    try:
        yield
        of_the_file, made = notes.made, notes.made | schedules_of(client, names)
    finally:
        restore(client, before, of_the_file)
        left = {one: earlier for one, earlier in notes.before.items() if one not in before}
        _write(file, Notes(made=made, before=left))


def restore(client: SyncPrefectClient, before: Schedules, made: Schedules) -> None:
    """Bring schedules back to what they were before their deployments were applied.

    One that is still what an earlier application made of it follows the file and becomes active or not, as it
    was. One that was changed since, or added, becomes what it was.

    Args:
        client: of the server.
        before: what there was.
        made: what the file had made of them; a deployment that is not among them counts as changed by hand.
    """
    for deployment, earlier in before.items():
        present, files = client.read_deployment(deployment).schedules, made.get(deployment, [])
        for schedule in earlier:
            follows = any(one.slug and one.slug == schedule.slug and _same(one, schedule) for one in files)
            if now := _counterpart(schedule, present):
                _change(client, deployment, now, schedule, _SWITCH if follows else _SWITCH | _PLAN)
            elif not follows:
                _add(client, deployment, schedule)


def left_open(file: Path, present: Schedules) -> bool:
    """Tell whether an application of these deployments died before it had brought their schedules back."""
    return any(one in present for one in _read(file).before)


def _read(file: Path) -> Notes:
    try:
        return Notes.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return Notes()


def _write(file: Path, notes: Notes) -> None:
    with atomic_file(file) as temporary:
        temporary.write_text(notes.model_dump_json(), encoding="utf-8")


def _same(one: DeploymentSchedule, other: DeploymentSchedule) -> bool:
    """Tell whether two schedules plan the same runs; one of them may be switched off."""
    return one.model_dump(include=set(_PLAN)) == other.model_dump(include=set(_PLAN))


def _counterpart(
    schedule: DeploymentSchedule, present: Sequence[DeploymentSchedule]
) -> DeploymentSchedule | None:
    for one in present:
        if one.slug == schedule.slug and (one.slug or one.id == schedule.id or _same(one, schedule)):
            return one
    return None


def _add(client: SyncPrefectClient, deployment: UUID, schedule: DeploymentSchedule) -> None:
    again = DeploymentScheduleCreate(**_parts(schedule, _SWITCH | _PLAN | {"slug"}))
    client.request(
        "POST",
        "/deployments/{id}/schedules",
        path_params={"id": deployment},
        json=[again.model_dump(mode="json", exclude_unset=True)],
    )


def _change(
    client: SyncPrefectClient,
    deployment: UUID,
    now: DeploymentSchedule,
    wanted: DeploymentSchedule,
    parts: frozenset[str],
) -> None:
    if now.model_dump(include=set(parts)) == wanted.model_dump(include=set(parts)):
        return
    change = DeploymentScheduleUpdate(**_parts(wanted, parts))
    client.request(
        "PATCH",
        "/deployments/{id}/schedules/{schedule_id}",
        path_params={"id": deployment, "schedule_id": now.id},
        json=change.model_dump(mode="json", exclude_unset=True),
    )


def _parts(schedule: DeploymentSchedule, names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(schedule, name)) is not None}
