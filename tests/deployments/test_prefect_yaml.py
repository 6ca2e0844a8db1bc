from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from cronsim import CronSim
from prefect import Flow

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_an_entrypoint_imports_and_takes_the_deployments_parameters(deployment: dict) -> None:
    path, _, name = deployment["entrypoint"].partition(":")
    assert (ROOT / path).is_file()
    flow = getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert isinstance(flow, Flow)
    assert set(deployment["parameters"]) <= set(flow.parameters.properties)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_schedules_parse_and_wait_for_someone_to_activate_them(deployment: dict) -> None:
    for schedule in deployment["schedules"]:
        assert schedule["active"] is False
        assert next(CronSim(schedule["cron"], datetime.now(UTC)))
