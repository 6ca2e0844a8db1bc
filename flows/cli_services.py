"""The commands of a machine's services: start them, look at them, end them."""

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_options import Json

if TYPE_CHECKING:
    from rich.console import Console

    from flows.services.crew import Surroundings

_OPEN = (
    "Everybody who reaches this machine can start runs at the server: it asks for no login.\n"
    "Set PREFECT_SERVER_API_AUTH_STRING and PREFECT_API_AUTH_STRING to <user>:<password>,\n"
    "or leave --host out."
)
_TURN = "Waiting for another moongate up or down of this store to end."


def up(
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Where the server listens. It asks for no login: who reaches it can start runs.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="And on which port.")] = 4200,
) -> None:
    """Start a Prefect server, its work pools and deployments, and a worker for each device.

    A worker of the pool moongate-gpu is pinned to each device that this process may use (its CUDA devices, or
    the slots that MOONGATE_DEVICE_SLOTS declares, and where it is unset those of the `up` before) and takes
    one run at a time; one of moongate-cpu takes what needs no device. What runs already is left alone, what
    has died is started again, and schedules stay as they were set. With PREFECT_API_URL set to another
    server, that one is used.

    Example: moongate up
    """
    from flows.services.conduct import one_at_a_time, place_of, surroundings
    from flows.terminal import console
    from moongate.artifacts.store import Store

    screen, store = console(), Store.from_environment()
    store.require_writable()
    with one_at_a_time(place_of(store.root), partial(screen.print, _TURN, highlight=False)):
        around = surroundings(store.root, host, port)
        os.environ.update(around.variables())
        from flows.services.installation import project_folder

        project = project_folder()
        _prepare_server(screen, around, host, port, project)
        _prepare_workers(screen, around, project)
    screen.print(f"logs         {around.place.folder}", highlight=False, soft_wrap=True)
    screen.print("What runs where: moongate status. End it: moongate down.", highlight=False)
    typer.echo(around.url.removesuffix("/api"))


def _prepare_server(screen: "Console", around: "Surroundings", host: str, port: int, project: Path) -> None:
    from flows.server import Api, wait_until_healthy
    from flows.services.conduct import start_server
    from flows.services.installation import install

    if around.ours:
        with screen.status("Starting the server"):
            started = start_server(around, host, port, project)
        if started and not _is_own(host) and not os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
            screen.print(_OPEN, style="yellow", highlight=False)
        screen.print(f"server       {'started' if started else 'was running'}", highlight=False)
    else:
        wait_until_healthy(Api(around.url, private=False))
        screen.print(f"server       somebody else's, {around.url}", highlight=False, soft_wrap=True)
    with screen.status("Applying the deployments"):
        applied = install(project, around.place.folder)
    screen.print(f"deployments  {'applied' if applied else 'were applied'}", highlight=False)


def _is_own(host: str) -> bool:
    """Tell whether only this machine reaches an address to listen at."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _prepare_workers(screen: "Console", around: "Surroundings", project: Path) -> None:
    from flows.services.conduct import end_stale_workers
    from flows.services.presence import start_present_workers
    from flows.services.slots import adopted_slots, remember_slots
    from moongate.models.leases import visible_devices

    with adopted_slots(around.store):
        devices = visible_devices()
        remember_slots(around.store)
        for name in end_stale_workers(around.place, devices):
            screen.print(f"ended        {name}", highlight=False)
        with screen.status("Starting the workers"):
            started = start_present_workers(around, devices, project)
    for worker in started:
        screen.print(f"started      {worker.purpose}", highlight=False)


def status(as_json: Json = False) -> None:
    """Show what `moongate up` started, who holds which device, and which runs are going on.

    Example: moongate status
    """
    from flows.services.report import machine_report
    from flows.services.slots import adopted_slots
    from flows.terminal import console
    from moongate.artifacts.store import Store

    root = Store.from_environment().root
    with adopted_slots(root):
        report = machine_report(root)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
        return
    from flows.services.tables import print_report

    print_report(console(), report)


def down() -> None:
    """End what `moongate up` started, and nothing else: workers with their runs, then the server.

    The slots that it was told of are forgotten.

    A run that is ended goes on from what is done when it is repeated, or with `prefect flow-run retry`.

    Example: moongate down
    """
    from flows.services.conduct import end_all, one_at_a_time, place_of
    from flows.terminal import console
    from moongate.artifacts.store import Store

    screen, place = console(), place_of(Store.from_environment().root)
    waiting = partial(screen.print, _TURN, highlight=False)
    with one_at_a_time(place, waiting), screen.status("Ending workers and server"):
        ended = end_all(place)
    screen.print("\n".join(f"ended  {name}" for name in ended) or "Nothing was running.", highlight=False)
