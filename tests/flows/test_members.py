"""Members one after the other, while their Prefect server is killed and started again."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.blank_database import begin_with_blank
from flows.members import perform_member
from flows.outages import LostServerError, Patience
from flows.server import LEAN_SERVER, Api, wait_until_healthy
from moongate.artifacts.store import Store
from moongate.campaign.members import Member
from moongate.campaign.outcomes import Outcome
from moongate.config import RunConfig
from moongate.runs import RunRecord

SHORT = Patience(limit_s=0.5, pause_s=0.1, remind_s=0.2)
LONG = Patience(limit_s=60, pause_s=0.2, remind_s=60)


class MortalServer:
    """A Prefect server on one port, which may be killed and started again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/api"
        begin_with_blank(home / "server.db")

    def start(self) -> None:
        database = f"sqlite+aiosqlite:///{self._home / 'server.db'}"
        own = {"PREFECT_API_URL": self.url, "PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
        own |= {
            "PREFECT_HOME": str(self._home),
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1",
        }
        with socket.create_server(("127.0.0.1", self._port)) as listener:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.private_server", str(listener.fileno())],
                stdin=subprocess.PIPE,
                env={**os.environ, **LEAN_SERVER, **own, "PYTHONPATH": str(Path.cwd())},
                pass_fds=[listener.fileno()],
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def server(tmp_path: Path, first: RunRecord) -> Iterator[MortalServer]:
    server = MortalServer(tmp_path)
    server.start()
    # Prefect's own retries, of a connection that it had before, would only make the test wait.
    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_CLIENT_MAX_RETRIES: 0}):
        wait_until_healthy(Api(server.url, private=True))
        yield server
    server.kill()


def test_a_lost_server_costs_no_member_and_ends_a_campaign_only_when_it_stays_away(
    server: MortalServer, config: RunConfig, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @flow(persist_result=False)
    def campaign() -> list[Outcome]:
        def performed(name: str, patience: Patience) -> Outcome:
            return perform_member(Member(name, (), config), Store(home), patience)

        found = [performed("before", LONG)]
        server.kill()
        with pytest.raises(LostServerError, match="the Prefect server was lost") as lost:
            performed("without", SHORT)
        assert lost.value.where == server.url
        restarted = Timer(1.0, server.start)
        restarted.start()
        found.append(performed("again", LONG))
        restarted.join()
        return found

    with caplog.at_level(logging.WARNING, "moongate.server"):
        before, again = campaign()
    assert (before.status, again.status) == ("completed", "completed")
    assert any(line.startswith("waiting for the Prefect server: ConnectError") for line in caplog.messages)
