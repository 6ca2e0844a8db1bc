"""A flow run that somebody else performs, followed from here; on a real server."""

import logging
import threading

import pytest
from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Cancelled

from flows import remote
from flows.remote import follow, submit
from moongate.errors import ConfigError
from tasks.labels import flush_reports

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
        client.create_deployment(client.create_flow(speaks), "idle", work_pool_name="deserted")
    return "speaks/idle"


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
