"""Hand a flow run to a worker, and follow it in the terminal."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from logging import INFO, WARNING
from uuid import UUID

from httpx import TransportError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    LogFilter,
    LogFilterFlowRunId,
    LogFilterTimestamp,
    WorkerFilter,
    WorkerFilterStatus,
)
from prefect.client.schemas.objects import FlowRun, Log, State, WorkerStatus
from prefect.client.schemas.sorting import LogSort
from prefect.exceptions import ObjectNotFound

from moongate.errors import ConfigError

POLL_S = 1.0
# A process sends its last lines after its last state, in batches of two seconds.
LINGER_S = 3.0
# Log lines of one run come in batches, and not in the order of their times.
OVERLAP = timedelta(seconds=15)
OWN_LOGGER = "moongate"

Say = Callable[[str, int], None]


def submit(deployment: str, parameters: Mapping[str, object]) -> FlowRun:
    """Make a flow run of a deployment and return it; a worker of its pool will take it up.

    Args:
        deployment: `<flow>/<deployment>`.
        parameters: of the flow; the deployment's own hold for what is not among them.

    Raises:
        ConfigError: when the server has no such deployment.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound as error:
            known = sorted(one.name for one in client.read_deployments())
            raise ConfigError(
                f"there is no deployment {deployment!r}",
                where=str(client.api_url),
                why=f"the server has {', '.join(known) or 'none'}",
                fix="name one of these, or apply the deployments: moongate up",
            ) from error
        return client.create_flow_run_from_deployment(found.id, parameters=dict(parameters))


def follow(flow_run_id: UUID, say: Say) -> State:
    """Say what a flow run logs and which states it comes to, until it has ended; return the last state.

    A server that does not answer is asked again: the run goes on without it, and so does this.
    """
    with get_client(sync_client=True) as client:
        journal, seen, answers = _Journal(client, flow_run_id), "", True
        while True:
            try:
                run, news = client.read_flow_run(flow_run_id), journal.news()
            except TransportError as error:
                if answers:
                    say(f"the server does not answer ({type(error).__name__}); asking again", WARNING)
                answers = False
                time.sleep(POLL_S)
                continue
            answers = True
            for log in news:
                say(log.message, log.level)
            if run.state is not None and run.state.name != seen:
                seen = run.state.name or ""
                say(_told(client, run, run.state), INFO)
            if run.state is not None and run.state.is_final():
                break
            time.sleep(POLL_S)
        time.sleep(LINGER_S)
        with suppress(TransportError):
            for log in journal.news():
                say(log.message, log.level)
        return run.state


class _Journal:
    """The log lines of a flow run, each once."""

    def __init__(self, client: SyncPrefectClient, flow_run_id: UUID) -> None:
        self._client = client
        self._flow_run = LogFilterFlowRunId(any_=[flow_run_id])
        self._known: set[UUID] = set()
        self._newest: datetime | None = None

    def news(self) -> list[Log]:
        """Return the lines that were not there before: those of the project, and warnings of anybody."""
        since = LogFilterTimestamp(after_=self._newest - OVERLAP) if self._newest else None
        wanted = LogFilter(flow_run_id=self._flow_run, timestamp=since)
        found = self._client.read_logs(wanted, limit=200, sort=LogSort.TIMESTAMP_ASC)
        fresh = [log for log in found if log.id is not None and log.id not in self._known]
        self._known |= {log.id for log in fresh if log.id is not None}
        if fresh:
            self._newest = max(log.timestamp for log in fresh)
        return [log for log in fresh if log.name.startswith(OWN_LOGGER) or log.level >= WARNING]


def _told(client: SyncPrefectClient, run: FlowRun, state: State) -> str:
    told = f"{run.name}  {state.name}"
    if state.message and state.is_final():
        return f"{told}: {state.message}"
    if state.is_scheduled() and run.work_pool_name:
        return f"{told}: waits for a worker of {run.work_pool_name}{_nobody(client, run.work_pool_name)}"
    return told


def _nobody(client: SyncPrefectClient, pool: str) -> str:
    online = WorkerFilter(status=WorkerFilterStatus(any_=[WorkerStatus.ONLINE]))
    payload = {"workers": online.model_dump(mode="json"), "limit": 1}
    where = {"work_pool_name": pool}
    answer = client.request(
        "POST", "/work_pools/{work_pool_name}/workers/filter", path_params=where, json=payload
    )
    return "" if answer.json() else ", and none is there: moongate up"
