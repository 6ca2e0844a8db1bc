"""What runs where on this machine: services, devices with their holders, and the server's flow runs."""

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.server import configured_url
from flows.services.conduct import Standing, device_holders, is_healthy, place_of, standings
from flows.services.crew import remembered_url
from moongate.artifacts.holding import Holder
from moongate.models.leases import Device, visible_devices

LOGIN_ADVICE = "set PREFECT_API_KEY or PREFECT_API_AUTH_STRING to what it asks for"


@dataclass(frozen=True)
class GoingOn:
    """A flow run that has not ended, and whose time has come.

    Attributes:
        name: of the flow run.
        flow_run_id: what Prefect's commands want to know.
        state: its name, such as Running or Late.
        pool: the work pool it waits for or runs in; empty for none.
    """

    name: str
    flow_run_id: str
    state: str
    pool: str


@dataclass(frozen=True)
class MachineReport:
    """All of it.

    Attributes:
        url: of the server; empty when there has never been one.
        healthy: whether it answers.
        services: what was ever started here.
        devices: what may be held, with who holds it.
        runs: what has not ended; empty while the server does not answer.
        refusal: why the server does not tell of its runs, though it answers; empty where it does.
    """

    url: str
    healthy: bool
    services: list[Standing]
    devices: list[tuple[Device, Holder | None]]
    runs: list[GoingOn]
    refusal: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {
            "url": self.url,
            "healthy": self.healthy,
            "services": [asdict(standing) | {"log": str(standing.log)} for standing in self.services],
            "devices": [
                {"device": device.label, "holder": asdict(holder) if holder else None}
                for device, holder in self.devices
            ],
            "runs": [asdict(run) for run in self.runs],
            "refusal": self.refusal,
        }


def machine_report(store: Path) -> MachineReport:
    """Look at everything once.

    Args:
        store: the folder of the records.
    """
    url = configured_url(os.environ) or remembered_url(store) or ""
    healthy = bool(url) and is_healthy(url)
    runs, refusal = _runs(url) if healthy else ([], "")
    return MachineReport(
        url=url,
        healthy=healthy,
        services=standings(place_of(store)),
        devices=device_holders(visible_devices()),
        runs=runs,
        refusal=refusal,
    )


def _runs(url: str) -> tuple[list[GoingOn], str]:
    """Return the flow runs of a server, and why it does not tell of them."""
    os.environ["PREFECT_API_URL"] = url
    from httpx import HTTPError, HTTPStatusError
    from prefect import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterExpectedStartTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    begun = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING, StateType.PAUSED]
    # What is late or waits for a turn is "scheduled" as well, like all that a schedule has planned ahead.
    due = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC))
    wanted = (
        FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=begun))),
        FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            expected_start_time=due,
        ),
    )
    try:
        with get_client(sync_client=True) as client:
            found = [run for one in wanted for run in client.read_flow_runs(flow_run_filter=one)]
    except HTTPStatusError as error:
        answer = error.response
        advice = f"; {LOGIN_ADVICE}" if answer.status_code in (401, 403) else ""
        return [], f"{answer.status_code} {answer.reason_phrase}{advice}"
    except HTTPError as error:
        return [], str(error) or type(error).__name__
    return [
        GoingOn(run.name, str(run.id), run.state.name or "" if run.state else "", run.work_pool_name or "")
        for run in found
    ], ""
