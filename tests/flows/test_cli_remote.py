"""What is refused before a worker is handed anything; on a real server."""

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.settings import PREFECT_API_URL

from flows.cli_remote import rerun_on
from flows.repeats import Repeat
from flows.rerun import rerun
from flows.server import CORE_LOGGERS, QUIET
from flows.services.crew import CPU_POOL
from flows.services.installation import prepare
from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.runs import Origin, Verb


@pytest.fixture
def deployment(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """A deployment whose workers have no device."""
    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    for name, value in (QUIET | CORE_LOGGERS).items():
        monkeypatch.setenv(name, value)
    with get_client(sync_client=True) as client:
        prepare(client, [])
        client.create_deployment(client.create_flow(rerun), "deviceless", work_pool_name=CPU_POOL)
    return "deviceless"


@pytest.mark.parametrize(("first", "last"), [("ingest", "record"), ("sample", "sample"), ("prior", "record")])
def test_what_computes_is_not_handed_to_workers_without_a_device(
    deployment: str, first: Verb, last: Verb
) -> None:
    repeat = Repeat(RunConfig(), last, Origin(parent="r1", from_stage=first, overrides=(), force=False))
    with pytest.raises(ConfigError, match="have no device to compute on") as refused:
        rerun_on(deployment, repeat, quiet=True)
    assert "moongate-cpu" in refused.value.why
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(f"rerun/{deployment}")
        of_it = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[found.id]))
        assert client.read_flow_runs(flow_run_filter=of_it) == []
