"""Whether workers are there: a process that was started may still end before it has ever asked for a run."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.refusals import explained
from flows.services.conduct import start_workers
from flows.services.crew import CPU_POOL, GPU_POOL, Surroundings, worker_name
from flows.services.service import Place, Service, wait_for
from moongate.models.leases import Device

# A worker that dies is noticed at once; a start was seen to take most of a minute on a busy machine.
WORKER_TIMEOUT_S = 300.0

Reports = Mapping[str, datetime | None]


def start_present_workers(
    around: Surroundings, devices: Sequence[Device], working_folder: Path
) -> list[Service]:
    """Start the workers that do not run yet, and return those once each has reported to the server.

    Raises:
        ConfigError: when one ends instead, or the server does not tell.
    """
    with get_client(sync_client=True) as client, explained(client, "look for the workers"):
        before = reports(client)
        started = start_workers(around, devices, working_folder)
        wait_for_workers(client, around.place, started, before)
    return started


def wait_for_workers(
    client: SyncPrefectClient, place: Place, started: Sequence[Service], before: Reports
) -> None:
    """Return once each of these workers has reported to the server since.

    Args:
        client: of the server.
        place: of the services.
        started: the workers.
        before: when workers had reported before these were started.

    Raises:
        ConfigError: when one ends instead, or takes too long.
    """
    for service in started:
        wait_for(partial(_has_reported, client, service, before), service, place, WORKER_TIMEOUT_S)


def reports(client: SyncPrefectClient) -> Reports:
    """Return when each worker of our pools last reported, by its name."""
    return {
        worker.name: worker.last_heartbeat_time
        for pool in (GPU_POOL, CPU_POOL)
        for worker in client.read_workers_for_work_pool(pool)
    }


def _has_reported(client: SyncPrefectClient, service: Service, before: Reports) -> bool:
    name = worker_name(service)
    return reports(client).get(name) != before.get(name)
