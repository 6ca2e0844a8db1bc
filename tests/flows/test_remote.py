"""A flow run that somebody else performs, followed from here; on a real server."""

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prefect import flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import LogCreate, WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled
from prefect.utilities.callables import parameter_schema

from flows import remote
from flows.remote import follow, submit
from moongate.errors import ConfigError
from tasks.labels import flush_reports
from tests.flows.troubled_server import Trouble, troubled

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow(name="speaks")
def speaks(word: str = "hello") -> str:
    get_run_logger().warning("said %s", word)
    get_run_logger().info("of no interest")
    return word


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "POLL_S", 0.1)
    monkeypatch.setattr(remote, "LINGER_S", 0.1)


@pytest.fixture(scope="module")
def deployment(prefect_server: None) -> str:
    """A deployment whose pool has no worker."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="deserted", type="process"))
        client.create_deployment(
            client.create_flow(speaks),
            "idle",
            work_pool_name="deserted",
            parameter_openapi_schema=parameter_schema(speaks).model_dump_for_openapi(),
            enforce_parameter_schema=True,
        )
    return "speaks/idle"


@pytest.fixture
def trouble(prefect_server: None) -> Iterator[Trouble]:
    """The trouble that the server has for those who reach it from here."""
    with (
        troubled(str(PREFECT_API_URL.value())) as trouble,
        temporary_settings({PREFECT_API_URL: trouble.url}),
    ):
        yield trouble


def write_lines(client: SyncPrefectClient, flow_run_id: UUID, count: int) -> None:
    """Log so many warnings within ten seconds."""
    begun = datetime.now(UTC)
    lines = [
        LogCreate(
            name="moongate.test",
            level=logging.WARNING,
            message=f"line {number}",
            timestamp=begun + number * timedelta(seconds=10) / count,
            flow_run_id=flow_run_id,
        )
        for number in range(count)
    ]
    client.create_logs(lines)


def test_a_followed_run_tells_its_warnings_and_its_end() -> None:
    ended = speaks(return_state=True)
    flush_reports()
    said: list[tuple[str, int]] = []
    state = follow(ended.state_details.flow_run_id, lambda line, level: said.append((line, level)))
    assert state.is_completed()
    assert ("said hello", logging.WARNING) in said
    assert not any("of no interest" in line for line, _ in said)
    assert said[-1][0].endswith("Completed")


def test_a_run_that_no_worker_takes_up_says_what_it_waits_for(deployment: str) -> None:
    flow_run = submit(deployment, {"word": "bye"})
    assert flow_run.parameters == {"word": "bye"}
    said: list[str] = []

    def cancel() -> None:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Cancelled(message="enough"), force=True)

    def say(line: str, level: int) -> None:
        said.append(line)
        threading.Thread(target=cancel).start() if len(said) == 1 else None

    assert follow(flow_run.id, say).is_cancelled()
    assert "waits for a worker of deserted, and none is there: moongate up" in said[0]
    assert said[-1].endswith("Cancelled: enough")


def test_an_unknown_deployment_is_refused_with_those_that_there_are(deployment: str) -> None:
    with pytest.raises(ConfigError, match="the server has.*idle"):
        submit("speaks/never", {})


def test_every_line_is_told_once_however_many_come_at_once() -> None:
    flow_run_id = speaks(return_state=True).state_details.flow_run_id
    with get_client(sync_client=True) as client:
        write_lines(client, flow_run_id, 605)
    said: list[str] = []
    follow(flow_run_id, lambda line, level: said.append(line))
    told = [line for line in said if line.startswith("line ")]
    assert told == [f"line {number}" for number in range(605)]


def test_parameters_that_a_flow_does_not_have_are_refused_with_those_that_it_has(deployment: str) -> None:
    with pytest.raises(ConfigError, match="it takes word, and not run, stage") as refused:
        submit(deployment, {"word": "hello", "stage": "sample", "run": "last"})
    assert refused.value.where == "speaks/idle"


def test_values_that_the_server_does_not_let_pass_are_refused_with_its_reason(deployment: str) -> None:
    with pytest.raises(ConfigError, match="is not of type 'string'") as refused:
        submit(deployment, {"word": ["a", "b"]})
    assert "hand a run to 'speaks/idle'" in refused.value.what


def test_a_server_in_trouble_is_asked_again_and_nothing_is_lost(deployment: str, trouble: Trouble) -> None:
    flow_run = submit(deployment, {})
    with get_client(sync_client=True) as client:
        write_lines(client, flow_run.id, 3)
    trouble.paths, trouble.times = ("/workers/filter", "/logs/filter"), 3
    said: list[str] = []

    def say(line: str, level: int) -> None:
        said.append(line)
        if "waits for a worker" in line:
            with get_client(sync_client=True) as client:
                client.set_flow_run_state(flow_run.id, Cancelled(message="enough"), force=True)

    assert follow(flow_run.id, say).is_cancelled()
    assert said[0] == "the server does not answer (500 Internal Server Error: in trouble); asking again"
    assert said[1:4] == ["line 0", "line 1", "line 2"]
    assert "waits for a worker of deserted" in said[4]
    assert len(said) == 6


def test_a_server_that_wants_a_login_or_has_no_such_run_is_an_error_with_advice(trouble: Trouble) -> None:
    with pytest.raises(ConfigError, match="no longer has it"):
        follow(uuid4(), lambda line, level: None)
    trouble.status, trouble.paths, trouble.times = 401, ("",), 100
    for act in (lambda: follow(uuid4(), lambda line, level: None), lambda: submit("speaks/idle", {})):
        with pytest.raises(ConfigError, match="set PREFECT_API_KEY"):
            act()
