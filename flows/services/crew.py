"""Which services a machine needs: a server with sound settings, a worker for each device, one for the CPU."""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.services.service import Place, Service
from moongate.models.leases import VISIBLE_VARIABLE, Device

GPU_POOL, CPU_POOL = "moongate-gpu", "moongate-cpu"
SERVER, UNPINNED, CPU_WORKER = "server", "worker-unpinned", "worker-cpu"
CPU_RUNS = 2
# A worker's run is watched by nobody: what makes no progress for so long is taken to hang.
HUNG_AFTER_S = 3600
# Prefect's least.
HEARTBEAT_S = 30

_URL_FILE = "server.url"
_SLOT_WORKER = "worker-slot-"

# For the server. Leases in its memory would be lost when it is restarted, and their slots stay occupied.
SERVER_SETTINGS = {
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "DO_NOT_TRACK": "1",
}
# For workers and the flow runs that they start.
WORKER_SETTINGS = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
    "PREFECT_LOGGING_EXTRA_LOGGERS": "moongate",
    "PREFECT_WORKER_QUERY_SECONDS": "5",
    # A server whose database is away answers 500. Six tries more, with pauses that double, cover 100 seconds.
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    "PREFECT_CLIENT_MAX_RETRIES": "6",
    "MOONGATE_HUNG_AFTER_S": str(HUNG_AFTER_S),
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True)
class Surroundings:
    """Where the services of a machine live.

    Attributes:
        store: the folder of the records, absolute.
        url: of the Prefect API.
        ours: whether the server is one of the services; else somebody runs it, and Prefect's own settings of
            the user say how it is logged in to.
    """

    store: Path
    url: str
    ours: bool = True

    @property
    def place(self) -> Place:
        """The folder of their locks and logs."""
        return services_place(self.store)

    def variables(self) -> dict[str, str]:
        """Return what every service finds in its environment."""
        home = {"PREFECT_HOME": str(self.place.folder / "prefect")} if self.ours else {}
        return {"MOONGATE_HOME": str(self.store), "PREFECT_API_URL": self.url, **home}


def services_place(store: Path) -> Place:
    """Return where the services of a store have their locks and logs."""
    return Place(store / "services")


def server(around: Surroundings, host: str, port: int) -> Service:
    """Return the Prefect server; what the environment says of a setting wins over ours."""
    return Service(
        SERVER,
        "the Prefect server",
        _prefect("server", "start", "--host", host, "--port", str(port)),
        _environment(SERVER_SETTINGS, around),
    )


def workers(around: Surroundings, devices: Sequence[Device]) -> list[Service]:
    """Return a worker for each device, pinned to it, and one for what needs none.

    Without any device there is one unpinned worker for the stages that compute, on the CPU.
    """
    pinned = [_device_worker(around, device) for device in devices]
    return [*(pinned or [_unpinned_worker(around)]), _cpu_worker(around)]


def device_worker(device: Device) -> str:
    """Return the name of the service that is the worker of a device."""
    return f"worker-{device.uuid}"


def worker_name(worker: Service) -> str:
    """Return what a worker calls itself at the server."""
    return worker.command[worker.command.index("--name") + 1]


def stale_workers(names: Iterable[str], devices: Sequence[Device], declared: Sequence[Device]) -> list[str]:
    """Return those of these services that devices as they now are leave no place for.

    Such are a worker without a device beside those with one, for it would compute without holding any; and
    those of slots that are no longer declared.

    Args:
        names: of the services that run.
        devices: which get a worker each.
        declared: all slots that there are.
    """
    slots = {device_worker(slot) for slot in declared}
    return [
        name
        for name in names
        if (name == UNPINNED and devices) or (name.startswith(_SLOT_WORKER) and name not in slots)
    ]


def remember_url(around: Surroundings) -> None:
    """Write down where the server is, for commands to come."""
    around.place.folder.mkdir(parents=True, exist_ok=True)
    (around.place.folder / _URL_FILE).write_text(around.url + "\n", encoding="utf-8")


def remembered_url(store: Path) -> str | None:
    """Return where the server of a store was last; None when it never had one."""
    try:
        return (services_place(store).folder / _URL_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def running_url(store: Path) -> str | None:
    """Return where the server of a store is; None when none is running."""
    url = remembered_url(store)
    return url if url and services_place(store).running(SERVER) else None


def _device_worker(around: Surroundings, device: Device) -> Service:
    settings = {**WORKER_SETTINGS, VISIBLE_VARIABLE: device.visible_as}
    name = device_worker(device)
    purpose = f"worker of {GPU_POOL} on {device.label}"
    return Service(name, purpose, _worker(GPU_POOL, device.label, 1), _environment(settings, around))


def _unpinned_worker(around: Surroundings) -> Service:
    command = _worker(GPU_POOL, f"unpinned@{os.uname().nodename}", 1)
    return Service(
        UNPINNED, f"worker of {GPU_POOL}, no device", command, _environment(WORKER_SETTINGS, around)
    )


def _cpu_worker(around: Surroundings) -> Service:
    command = _worker(CPU_POOL, f"cpu@{os.uname().nodename}", CPU_RUNS)
    settings = {**WORKER_SETTINGS, VISIBLE_VARIABLE: ""}
    return Service(CPU_WORKER, f"worker of {CPU_POOL}", command, _environment(settings, around))


def _worker(pool: str, name: str, limit: int) -> tuple[str, ...]:
    options = ("--pool", pool, "--type", "process", "--name", name, "--limit", str(limit))
    return _prefect("worker", "start", *options)


def _prefect(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "prefect", *arguments)


def _environment(settings: dict[str, str], around: Surroundings) -> tuple[tuple[str, str], ...]:
    chosen = {name: os.environ.get(name, value) for name, value in settings.items()}
    # A worker's pin is not the user's to overrule: his variable says which devices there are to share.
    if VISIBLE_VARIABLE in settings:
        chosen[VISIBLE_VARIABLE] = settings[VISIBLE_VARIABLE]
    return tuple({**chosen, **around.variables()}.items())
