"""What people have made of schedules outlives that deployments are applied again; on a real server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule

from flows.services.deployments import deployment_names
from flows.services.installation import PREFECT_FILE, project_folder
from flows.services.schedules import left_open, restore, schedules_kept, schedules_of
from moongate.errors import ConfigError


@flow(name="weekly")
def weekly() -> None:
    pass


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def schedule(hour: int, *, active: bool = False, slug: str | None = None) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(
        schedule=CronSchedule(cron=f"0 {hour} * * *"), active=active, slug=slug, parameters={}
    )


def apply(client: SyncPrefectClient, name: str) -> None:
    """Do what `prefect deploy` does: make a deployment's schedules those of the file, which are off."""
    set_schedules(client, name, schedule(2, slug="night"))


def set_schedules(client: SyncPrefectClient, name: str, *wanted: DeploymentScheduleCreate) -> None:
    client.create_deployment(client.create_flow(weekly), name, schedules=list(wanted))


def change_night(client: SyncPrefectClient, name: str, change: dict[str, Any]) -> None:
    deployment = client.read_deployment_by_name(name)
    (night,) = [one for one in deployment.schedules if one.slug == "night"]
    where = {"id": deployment.id, "schedule_id": night.id}
    client.request("PATCH", "/deployments/{id}/schedules/{schedule_id}", path_params=where, json=change)


def hours(client: SyncPrefectClient, name: str) -> dict[str, bool]:
    """Return for each schedule its hour and whether it is active."""

    def hour(one: DeploymentSchedule) -> str:
        assert isinstance(one.schedule, CronSchedule)
        return one.schedule.cron.split()[1]

    found = client.read_deployment_by_name(f"weekly/{name}").schedules
    assert len({hour(one) for one in found}) == len(found)
    return {hour(one): one.active for one in found}


def test_a_schedule_that_somebody_has_switched_on_stays_on(client: SyncPrefectClient) -> None:
    set_schedules(client, "on", schedule(2, slug="night", active=True))
    before = schedules_of(client, ["weekly/on"])
    apply(client, "on")
    assert hours(client, "on") == {"2": False}
    restore(client, before, {})
    assert hours(client, "on") == {"2": True}


def test_schedules_that_were_added_by_hand_are_kept_each_as_it_was(client: SyncPrefectClient) -> None:
    set_schedules(
        client,
        "by-hand",
        schedule(2, slug="night"),
        schedule(5, active=True),
        schedule(6),
        schedule(7, active=True, slug="theirs"),
    )
    before = schedules_of(client, ["weekly/by-hand"])
    apply(client, "by-hand")
    assert hours(client, "by-hand") == {"2": False}
    restore(client, before, {})
    restore(client, schedules_of(client, ["weekly/by-hand"]), {})
    assert hours(client, "by-hand") == {"2": False, "5": True, "6": False, "7": True}


def test_deployments_that_are_not_named_are_left_alone(client: SyncPrefectClient) -> None:
    set_schedules(client, "ours", schedule(2, slug="night"))
    set_schedules(client, "theirs", schedule(1), schedule(3, active=True), schedule(2, slug="night"))
    before = schedules_of(client, ["weekly/ours", "weekly/never-applied"])
    apply(client, "ours")
    set_schedules(client, "theirs", schedule(1, active=True), schedule(2, slug="night", active=True))
    restore(client, before, {})
    assert len(before) == 1
    assert hours(client, "theirs") == {"1": True, "2": True}


def test_a_schedule_follows_the_file_until_somebody_changes_it(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    names, file = ["weekly/follows"], tmp_path / "notes.json"

    def applied(*wanted: DeploymentScheduleCreate) -> dict[str, bool]:
        with schedules_kept(client, names, file):
            set_schedules(client, "follows", *wanted)
        return hours(client, "follows")

    assert applied(schedule(2, slug="night"), schedule(9, slug="dropped")) == {"2": False, "9": False}
    change_night(client, names[0], {"active": True})
    assert applied(schedule(3, slug="night")) == {"3": True}
    change_night(client, names[0], {"schedule": {"cron": "0 23 * * *"}, "parameters": {"steps": 4}})
    assert applied(schedule(4, slug="night")) == {"23": True}
    assert client.read_deployment_by_name(names[0]).schedules[0].parameters == {"steps": 4}


@pytest.mark.parametrize("ending", [KeyboardInterrupt, ConfigError("no", where="", why="", fix="")])
def test_an_application_that_fails_or_is_broken_off_leaves_every_schedule_as_it_was(
    client: SyncPrefectClient, tmp_path: Path, ending: BaseException
) -> None:
    set_schedules(client, "broken", schedule(8, slug="night", active=True), schedule(5, active=True))
    file = tmp_path / "notes.json"
    with pytest.raises((KeyboardInterrupt, ConfigError)), schedules_kept(client, ["weekly/broken"], file):
        apply(client, "broken")
        raise ending
    assert hours(client, "broken") == {"8": True, "5": True}
    assert not left_open(file, schedules_of(client, ["weekly/broken"]))


APPLY_AND_DIE = """
import os, sys
from pathlib import Path
from prefect import flow
from prefect.client.orchestration import get_client
from flows.services.schedules import schedules_kept

@flow(name="weekly")
def weekly():
    pass

with get_client(sync_client=True) as client:
    with schedules_kept(client, ["weekly/killed"], Path(sys.argv[1])):
        client.create_deployment(client.create_flow(weekly), "killed", schedules=[])
        os.kill(os.getpid(), 9)
"""


def test_what_a_killed_application_took_away_comes_back_with_the_next(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    names, file = ["weekly/killed"], tmp_path / "notes.json"
    set_schedules(client, "killed", schedule(2, slug="night", active=True))
    environment = {**os.environ, "PREFECT_API_URL": str(client.api_url), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, "-c", APPLY_AND_DIE, str(file)], env=environment, timeout=120)
    assert (done.returncode, hours(client, "killed")) == (-9, {})
    assert left_open(file, schedules_of(client, names))
    with schedules_kept(client, names, file):
        apply(client, "killed")
    assert hours(client, "killed") == {"2": True}
    assert not left_open(file, schedules_of(client, names))


def test_the_files_deployments_are_known_by_the_names_that_the_server_gives_them() -> None:
    project = project_folder()
    wanted = []
    for one in yaml.safe_load((project / PREFECT_FILE).read_text())["deployments"]:
        path, _, function = one["entrypoint"].partition(":")
        module = import_module(path.removesuffix(".py").replace("/", "."))
        wanted.append(f"{getattr(module, function).name}/{one['name']}")
    assert deployment_names(project, PREFECT_FILE) == wanted
    assert "rerun/sample" in wanted
