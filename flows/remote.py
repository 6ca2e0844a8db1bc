"""Hand a flow run to a worker, and follow it in the terminal."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from logging import INFO, WARNING
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    LogFilter,
    LogFilterFlowRunId,
    LogFilterTimestamp,
    WorkerFilter,
    WorkerFilterStatus,
)
from prefect.client.schemas.objects import FlowRun, Log, State, WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import LogSort
from prefect.exceptions import ObjectNotFound

from flows.refusals import explained, passes, reason_of
from moongate.errors import ConfigError

POLL_S = 1.0
# A process sends its last lines after its last state, in batches of two seconds.
LINGER_S = 3.0
# Log lines of one run come in batches, and not in the order of their times.
OVERLAP = timedelta(seconds=15)
OWN_LOGGER = "moongate"
# As many log lines as the server gives at once.
PAGE = 200

Say = Callable[[str, int], None]


def submit(deployment: str, parameters: Mapping[str, object]) -> FlowRun:
    """Make a flow run of a deployment and return it; a worker of its pool will take it up.

    Args:
        deployment: `<flow>/<deployment>`.
        parameters: of the flow; the deployment's own hold for what is not among them.

    Raises:
        ConfigError: when the server has no such deployment, or its flow does not take these parameters.
    """
    with get_client(sync_client=True) as client, explained(client, f"hand a run to {deployment!r}"):
        found = _deployment(client, deployment)
        _require_known(parameters, deployment, found.parameter_openapi_schema or {})
        return client.create_flow_run_from_deployment(found.id, parameters=dict(parameters))


def pool_of(deployment: str) -> str:
    """Return the work pool of a deployment; empty for none.

    Raises:
        ConfigError: when the server has no such deployment.
    """
    with get_client(sync_client=True) as client, explained(client, f"look at {deployment!r}"):
        return _deployment(client, deployment).work_pool_name or ""


def follow(flow_run_id: UUID, say: Say) -> State:
    """Say what a flow run logs and which states it comes to, until it has ended; return the last state.

    A server that does not answer is asked again: the run goes on without it, and so does this.

    Raises:
        ConfigError: when the server refuses to tell, or no longer has the run.
    """
    with get_client(sync_client=True) as client, explained(client, f"follow flow run {flow_run_id}"):
        watch, answers = _Watch(client, flow_run_id), True
        while True:
            try:
                state, lines = watch.look()
            except HTTPError as error:
                if not passes(error):
                    raise
                if answers:
                    say(f"the server does not answer ({reason_of(error)}); asking again", WARNING)
                answers = False
                time.sleep(POLL_S)
                continue
            answers = True
            for message, level in lines:
                say(message, level)
            if state is not None and state.is_final():
                break
            time.sleep(POLL_S)
        time.sleep(LINGER_S)
        with suppress(HTTPError):
            for message, level in watch.news():
                say(message, level)
        return state


class _Watch:
    """What is new about a flow run: its log, and its state where that has changed."""

    def __init__(self, client: SyncPrefectClient, flow_run_id: UUID) -> None:
        self._client = client
        self._flow_run_id = flow_run_id
        self._journal = _Journal(client, flow_run_id)
        self._seen = ""

    def look(self) -> tuple[State | None, list[tuple[str, int]]]:
        """Return the state, and what there is to say with how much it matters.

        What is lost in an error is told the next time.
        """
        run = self._client.read_flow_run(self._flow_run_id)
        name, told = self._seen, []
        if run.state is not None and run.state.name != self._seen:
            name = run.state.name or ""
            told = [(_told(self._client, run, run.state), INFO)]
        lines = [*self.news(), *told]
        self._seen = name
        return run.state, lines

    def news(self) -> list[tuple[str, int]]:
        """Return the log lines that were not there before."""
        return [(log.message, log.level) for log in self._journal.news()]


class _Journal:
    """The log lines of a flow run, each once."""

    def __init__(self, client: SyncPrefectClient, flow_run_id: UUID) -> None:
        self._client = client
        self._flow_run = LogFilterFlowRunId(any_=[flow_run_id])
        self._known: set[UUID] = set()
        self._newest: datetime | None = None

    def news(self) -> list[Log]:
        """Return the lines that were not there before: those of the project, and warnings of anybody."""
        # By id: a line that arrives late moves those after it from one page to the next.
        fresh = {log.id: log for log in self._recent() if log.id is not None and log.id not in self._known}
        self._known |= set(fresh)
        if fresh:
            self._newest = max(log.timestamp for log in fresh.values())
        return [log for log in fresh.values() if log.name.startswith(OWN_LOGGER) or log.level >= WARNING]

    def _recent(self) -> list[Log]:
        """Return all lines since shortly before the newest known one, however many they are."""
        since = LogFilterTimestamp(after_=self._newest - OVERLAP) if self._newest else None
        wanted = LogFilter(flow_run_id=self._flow_run, timestamp=since)
        found: list[Log] = []
        while True:
            page = self._client.read_logs(wanted, limit=PAGE, offset=len(found), sort=LogSort.TIMESTAMP_ASC)
            found += page
            if len(page) < PAGE:
                return found


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


def _deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound as error:
        known = sorted(one.name for one in client.read_deployments())
        raise ConfigError(
            f"there is no deployment {name!r}",
            where=str(client.api_url),
            why=f"the server has {', '.join(known) or 'none'}",
            fix="name one of these, or apply the deployments: moongate up",
        ) from error


def _require_known(parameters: Mapping[str, object], deployment: str, schema: Mapping[str, Any]) -> None:
    """Refuse what the flow lacks: the server does not, and the run would fail at the worker."""
    known = schema.get("properties", {})
    if unknown := sorted(set(parameters) - set(known)):
        raise ConfigError(
            "the deployment is one of a flow with other parameters",
            where=deployment,
            why=f"it takes {', '.join(known) or 'none'}, and not {', '.join(unknown)}",
            fix="name a deployment of a flow that takes them, such as rerun/sample",
        )
