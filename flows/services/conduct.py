"""Start, look at and end all services of a machine."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from flows.server import configured_url
from flows.services.crew import (
    CPU_WORKER,
    SERVER,
    UNPINNED,
    Surroundings,
    remember_url,
    remembered_url,
    running_url,
    server,
    services_place,
    stale_workers,
    workers,
)
from flows.services.service import Place, Service, wait_for
from flows.services.slots import forget_slots
from moongate.artifacts.holding import Holder
from moongate.artifacts.locks import exclusive
from moongate.errors import ConfigError
from moongate.models.leases import Device, every_slot, holders, lease_folder

# A server that dies is noticed at once, so patience costs nothing: its start was seen to take more than five
# minutes on a busy machine.
SERVER_TIMEOUT_S = 900.0
PATIENCE_S = 15.0


@dataclass(frozen=True)
class Standing:
    """One service, as it is now.

    Attributes:
        name: of the service.
        holder: its process; None when it does not run.
        log: the file it writes to.
    """

    name: str
    holder: Holder | None
    log: Path


@contextmanager
def one_at_a_time(place: Place, on_wait: Callable[[], None]) -> Iterator[None]:
    """Keep two commands from starting and ending services at the same time; `on_wait` says that one waits."""
    with exclusive(place.folder / "command.exclusive", on_wait):
        yield


def start_server(around: Surroundings, host: str, port: int, working_folder: Path) -> bool:
    """Start the server and return once it answers; tell whether it had to be started.

    Raises:
        ConfigError: when it does not start, or somebody else uses its port.
    """
    service = server(around, host, port)
    if around.place.running(SERVER) is None:
        _require_free_port(host, port)
        # Before it starts: a command that is broken off would leave a server that nobody finds.
        remember_url(around)
    started = around.place.start(service, working_folder)
    wait_for(lambda: is_healthy(around.url), service, around.place, SERVER_TIMEOUT_S)
    return started


def start_workers(around: Surroundings, devices: Sequence[Device], working_folder: Path) -> list[Service]:
    """Start the workers that do not run yet, and return those.

    One without a device is not started while one with a device runs: where this process sees none, they are
    hidden from it.
    """
    wanted, pinned = workers(around, devices), set(_running(around.place)) - {SERVER, UNPINNED, CPU_WORKER}
    return [
        service
        for service in wanted
        if not (service.name == UNPINNED and pinned) and around.place.start(service, working_folder)
    ]


def end_stale_workers(place: Place, devices: Sequence[Device]) -> list[str]:
    """End the workers that are in the way of those of these devices, with their runs; return their names."""
    stale = stale_workers(_running(place), devices, every_slot(os.environ))
    return [name for name in stale if place.end(name, PATIENCE_S)]


def end_all(place: Place) -> list[str]:
    """End workers with their runs, then the server; return the names of what was ended."""
    names = sorted(place.names(), key=lambda name: name == SERVER)
    forget_slots(place.folder)
    return [name for name in names if place.end(name, PATIENCE_S)]


def standings(place: Place) -> list[Standing]:
    """Return how all services are that were ever started here."""
    return [Standing(name, place.running(name), place.log(name)) for name in place.names()]


def device_holders(devices: Sequence[Device]) -> list[tuple[Device, Holder | None]]:
    """Return the devices with who holds each at this moment: of any store, started by anybody."""
    return list(zip(devices, holders(devices, lease_folder()), strict=True))


def surroundings(store: Path, host: str, port: int) -> Surroundings:
    """Return where services are to live; call it while no other command starts or ends any.

    A server that PREFECT_API_URL (or the active Prefect profile) names and that is not ours is used as it is.
    At an address that ours had, or would get, it is somebody else's that answers while ours is not running.
    """
    # One that listens on every address is reached from here on this machine's own.
    store, own = store.resolve(), f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/api"
    chosen = (configured_url(os.environ) or "").rstrip("/")
    if running := running_url(store):
        return Surroundings(store, chosen or running, ours=chosen in ("", running))
    if chosen and (chosen not in (own, remembered_url(store)) or is_healthy(chosen)):
        return Surroundings(store, chosen, ours=False)
    return Surroundings(store, own)


def is_healthy(url: str) -> bool:
    """Tell whether the API answers."""
    try:
        with urlopen(f"{url}/health", timeout=5):
            return True
    except HTTPError as error:
        return error.code in (401, 403)
    except (URLError, OSError):
        return False


def place_of(store: Path) -> Place:
    """Return where the services of a store have their locks and logs."""
    return services_place(store.resolve())


def _running(place: Place) -> list[str]:
    return [name for name in place.names() if place.running(name)]


def _require_free_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                "the server's port cannot be used",
                where=f"{host}:{port}",
                why=str(error),
                fix="choose another one with --port; or, to use a Prefect server that runs there, "
                f"set PREFECT_API_URL=http://{host}:{port}/api",
            ) from error
