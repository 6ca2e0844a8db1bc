"""What people have made of schedules outlives that deployments are applied again; on a real server."""

from collections.abc import Iterator
from importlib import import_module

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule

from flows.services.installation import PREFECT_FILE, project_folder
from flows.services.schedules import deployment_names, restore, schedules_of


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
    flow_id = client.create_flow(weekly)
    client.create_deployment(flow_id, name, schedules=[schedule(2, slug="night")])


def set_schedules(client: SyncPrefectClient, name: str, *wanted: DeploymentScheduleCreate) -> None:
    client.create_deployment(client.create_flow(weekly), name, schedules=list(wanted))


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
    restore(client, before)
    assert hours(client, "on") == {"2": True}


def test_schedules_that_were_added_by_hand_are_kept_each_as_it_was(client: SyncPrefectClient) -> None:
    set_schedules(
        client,
        "by-hand",
        schedule(2, slug="night"),
        schedule(5, active=True),
        schedule(6),
        schedule(7, slug="old"),
    )
    before = schedules_of(client, ["weekly/by-hand"])
    apply(client, "by-hand")
    assert hours(client, "by-hand") == {"2": False}
    restore(client, before)
    restore(client, schedules_of(client, ["weekly/by-hand"]))
    assert hours(client, "by-hand") == {"2": False, "5": True, "6": False}


def test_deployments_that_are_not_named_are_left_alone(client: SyncPrefectClient) -> None:
    set_schedules(client, "ours", schedule(2, slug="night"))
    set_schedules(client, "theirs", schedule(1), schedule(3, active=True), schedule(2, slug="night"))
    before = schedules_of(client, ["weekly/ours", "weekly/never-applied"])
    apply(client, "ours")
    set_schedules(client, "theirs", schedule(1, active=True), schedule(2, slug="night", active=True))
    restore(client, before)
    assert len(before) == 1
    assert hours(client, "theirs") == {"1": True, "2": True}


def test_the_files_deployments_are_known_by_the_names_that_the_server_gives_them() -> None:
    project = project_folder()
    wanted = []
    for one in yaml.safe_load((project / PREFECT_FILE).read_text())["deployments"]:
        path, _, function = one["entrypoint"].partition(":")
        module = import_module(path.removesuffix(".py").replace("/", "."))
        wanted.append(f"{getattr(module, function).name}/{one['name']}")
    assert deployment_names(project, PREFECT_FILE) == wanted
    assert "rerun/sample" in wanted
