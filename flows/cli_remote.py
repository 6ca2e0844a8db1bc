"""What the command line does with a worker: hand it a run, follow that, and fetch its record."""

import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from flows.repeats import Repeat
from flows.server import CORE_LOGGERS, QUIET, Api, configured_url, wait_until_healthy
from flows.services.crew import CPU_POOL, GPU_POOL, running_url
from moongate.artifacts.store import Store
from moongate.errors import ConfigError, MoongateError
from moongate.runs import VERBS, RunRecord, Verb, run_of

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State

FLOW = "rerun"
# The stages that hold no device; the others compute.
WITHOUT_DEVICE: tuple[Verb, ...] = ("ingest", "record")


def rerun_on(deployment: str, repeat: Repeat, *, quiet: bool) -> RunRecord:
    """Have a run repeated by a worker, say what it does meanwhile, and return its record.

    Args:
        deployment: `<flow>/<deployment>`, or the name of a deployment of the flow `rerun`.
        repeat: what is to be done.
        quiet: say warnings only.

    Raises:
        ConfigError: when there is no server, it has no such deployment, or one whose workers have no device
            for what is to be done.
        MoongateError: when the run failed; it says how.
        typer.Exit: with status 130, when Ctrl-C ended the following.
    """
    store, origin, begun = Store.from_environment(), repeat.origin, datetime.now(UTC)
    _choose_server(store)
    from flows.remote import follow, submit

    deployment = deployment if "/" in deployment else f"{FLOW}/{deployment}"
    _require_device(deployment, repeat)
    parameters = {
        "run": origin.parent,
        "stage": origin.from_stage,
        "overrides": list(origin.overrides),
        "only": repeat.until == origin.from_stage,
        "force": origin.force,
    }
    flow_run = submit(deployment, parameters)
    try:
        state = follow(flow_run.id, _printer(logging.WARNING if quiet else logging.INFO))
    except KeyboardInterrupt:
        typer.echo(f"the run goes on; to end it: prefect flow-run cancel {flow_run.id}", err=True)
        raise typer.Exit(130) from None
    record = run_of(store.root, str(flow_run.id), begun)
    if not state.is_completed() or record is None:
        raise _not_done(flow_run, state, record)
    return record


def _choose_server(store: Store) -> None:
    """Set this process up for the user's server, before Prefect is imported."""
    url = configured_url(os.environ) or running_url(store.root.resolve())
    if url is None:
        raise ConfigError(
            "there is no Prefect server that could hand it to a worker",
            where="--on",
            why="PREFECT_API_URL is not set, and moongate up has started none for this store",
            fix="start one with its workers: moongate up",
        )
    for name, value in (QUIET | CORE_LOGGERS).items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_API_URL"] = url
    wait_until_healthy(Api(url, private=False))


def _require_device(deployment: str, repeat: Repeat) -> None:
    """Refuse to let a worker compute that may hold no device: it would do so beside those who hold one."""
    from flows.remote import pool_of

    asked = VERBS[VERBS.index(repeat.origin.from_stage) : VERBS.index(repeat.until) + 1]
    computing = [verb for verb in asked if verb not in WITHOUT_DEVICE]
    if computing and pool_of(deployment) == CPU_POOL:
        raise ConfigError(
            f"the workers of {deployment} have no device to compute on",
            where="--on",
            why=f"they are of the pool {CPU_POOL}, and {', '.join(computing)} would be done",
            fix=f"name a deployment of {GPU_POOL}, such as {FLOW}/{computing[0]}",
        )


def _printer(least: int) -> Callable[[str, int], None]:
    from flows.terminal import console

    screen = console()

    def say(message: str, level: int) -> None:
        if level >= least:
            style = "yellow" if level >= logging.WARNING else None
            screen.print(message, style=style, highlight=False, soft_wrap=True)

    return say


def _not_done(flow_run: "FlowRun", state: "State", record: RunRecord | None) -> MoongateError:
    if state.is_completed():
        return ConfigError(
            "the run was done in another store",
            where=f"flow run {flow_run.name}",
            why="it has completed, and this store has no record of it",
            fix="let MOONGATE_HOME name the same folder here and for the worker",
        )
    return MoongateError(
        f"the run ended as {state.name}",
        where=f"run {record.run_id}" if record else f"flow run {flow_run.name} ({flow_run.id})",
        why=(record and record.error) or state.message or "its state says no more",
        fix=f"the same command again goes on from what is done; so does prefect flow-run retry {flow_run.id}",
    )


def print_ended(record: RunRecord) -> None:
    """Write how a run has ended as one line of JSON; the other events stay with the worker."""
    from flows.events import RunFinished
    from flows.front_ends import JsonLines
    from flows.terminal import report_path

    JsonLines(sys.stdout).hear(RunFinished.of(record, report_path(Store.from_environment(), record)))
