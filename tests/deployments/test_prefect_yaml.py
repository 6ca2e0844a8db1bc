from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from cronsim import CronSim
from prefect import Flow

from flows.services.crew import CPU_POOL, GPU_POOL, HEARTBEAT_S
from moongate.runs import VERBS

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]


def flow_of(deployment: dict) -> Flow:
    path, _, name = deployment["entrypoint"].partition(":")
    assert (ROOT / path).is_file()
    return getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_an_entrypoint_imports_and_takes_the_deployments_parameters(deployment: dict) -> None:
    flow = flow_of(deployment)
    assert isinstance(flow, Flow)
    flow.validate_parameters({**defaults(flow), **deployment["parameters"]})


def defaults(flow: Flow) -> dict:
    return {
        name: field["default"] for name, field in flow.parameters.properties.items() if "default" in field
    }


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_the_run_form_describes_every_parameter(deployment: dict) -> None:
    for name, field in flow_of(deployment).parameters.properties.items():
        assert field.get("description"), name
        assert "default" in field or name in deployment["parameters"], name


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_schedules_parse_and_wait_for_someone_to_activate_them(deployment: dict) -> None:
    slugs = [schedule["slug"] for schedule in deployment["schedules"]]
    assert len(set(slugs)) == len(slugs)
    for schedule in deployment["schedules"]:
        assert schedule["active"] is False
        if "cron" in schedule:
            assert next(CronSim(schedule["cron"], datetime.now(UTC)))
        else:
            assert schedule["interval"] > 0


def test_every_deployment_reports_as_often_as_up_has_it_whoever_starts_the_worker() -> None:
    told = [one["work_pool"]["job_variables"]["env"] for one in DEPLOYMENTS]
    assert {one["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] for one in told} == {str(HEARTBEAT_S)}


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_no_run_holds_a_lease_of_the_server_which_would_end_it_when_the_server_is_away(
    deployment: dict,
) -> None:
    assert "concurrency_limit" not in deployment


def test_every_stage_has_a_deployment_and_where_a_stage_computes_or_may_follow_its_worker_has_a_device() -> (
    None
):
    by_name = {deployment["name"]: deployment for deployment in DEPLOYMENTS}
    pools = {verb: by_name[verb]["work_pool"]["name"] for verb in VERBS}
    assert pools == dict.fromkeys(VERBS, GPU_POOL) | {"record": CPU_POOL}
    assert [by_name[verb]["parameters"]["stage"] for verb in VERBS] == list(VERBS)


def test_every_deployment_has_a_name_of_its_own_and_a_pool_that_up_creates() -> None:
    assert len({deployment["name"] for deployment in DEPLOYMENTS}) == len(DEPLOYMENTS)
    assert {deployment["work_pool"]["name"] for deployment in DEPLOYMENTS} == {GPU_POOL, CPU_POOL}
