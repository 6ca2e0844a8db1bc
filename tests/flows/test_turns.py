import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

from flows import turns
from flows.turns import turn, turn_of_deployed
from moongate import interruption
from moongate.artifacts.holding import Holder, holder_of
from moongate.artifacts.store import Store
from moongate.interruption import StopError

HOLD = """
import sys
from pathlib import Path
from flows.turns import turn
from moongate.artifacts.store import Store
with turn(Store(Path(sys.argv[1])), "batch"):
    print("at work", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(turns, "POLL_S", 0.01)
    return Store(tmp_path)


def worker(store: Store) -> Holder | None:
    return holder_of(store.root / "locks" / "batch.turn")


def test_a_second_one_waits_says_for_whom_and_has_its_turn_when_the_first_is_killed(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    command = [sys.executable, "-c", HOLD, str(store.root)]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    first = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "at work\n"
    at_work: list[int] = []

    def second() -> None:
        with turn(store, "batch"):
            found = worker(store)
            at_work.append(found.pid if found else 0)

    with caplog.at_level(logging.INFO, "moongate.turns"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert not at_work
        first.kill()
        waiting.join(30)
    first.wait(30)
    assert at_work == [os.getpid()]
    told, got = (record.message for record in caplog.records)
    host = os.uname().nodename
    assert told.startswith(
        f"batch on {host} waits for its turn: at work is batch on {host} (process {first.pid},"
    )
    assert got == f"batch on {host} has its turn"


def test_other_work_and_other_stores_do_not_wait(store: Store, tmp_path: Path) -> None:
    with turn(store, "batch"), turn(store, "pretrain"), turn(Store(tmp_path / "other"), "batch"):
        pass


def test_one_that_waits_can_be_stopped(store: Store) -> None:
    with turn(store, "batch"):
        interruption.ask_to_stop(signal.SIGTERM)
        try:
            with pytest.raises(StopError), turn(store, "batch"):
                pass
        finally:
            interruption.forget()


@pytest.mark.parametrize("deployment", [uuid4(), None])
def test_only_a_run_of_a_deployment_takes_a_turn_where_a_command_may_go_on_beside_it(
    store: Store, deployment: UUID | None
) -> None:
    run = FlowRun(flow_id=uuid4(), name="batch of here", deployment_id=deployment)
    with FlowRunContext.model_construct(flow_run=run), turn_of_deployed(store, "batch"):
        assert (worker(store) is not None) == (deployment is not None)
