"""Measure what one run costs the devices, the store and the Prefect server.

python -m benchmarks.scale       writes docs/figures/scale_costs.parquet, scale_calls.parquet

The main job is run twice in an empty store, while its requests to a Prefect server are counted: as those of a
run that people look at, with contact sheets, progress and heartbeats. The first run builds everything, the
second finds all of it in the store; what the first asks for beyond the second grows with time.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.figures import Provenance
from benchmarks.launching import FIGURES_FOLDER, Output, Set, Stopwatch, command_line, launch
from benchmarks.scale.calls import CALLS, TURNS, Call, Turn, counted
from benchmarks.scale.costs import costs_of, write_costs
from moongate.artifacts.store import HOME_VARIABLE, Store
from moongate.artifacts.tables import write_table
from moongate.config import RunConfig
from moongate.overrides import load_config
from moongate.runs import RunRecord, list_runs


def main(output: Output = FIGURES_FOLDER, set_: Set = None) -> None:
    """Measure what one run costs the devices, the store and the Prefect server.

    It takes four to five minutes on two cores; leave the machine alone meanwhile.

    Example: python -m benchmarks.scale --set train.steps=200
    """
    overrides = tuple(set_ or ())
    config = load_config(None, overrides)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        calls = performed(config, store)
        built = list_runs(store)[-1]
        costs = costs_of(Store(store), built.run_id)
    how = _provenance(built, overrides)
    write_costs(output / "scale_costs.parquet", costs, vars(how))
    write_table(output / "scale_calls.parquet", [asdict(call) for call in calls], CALLS, vars(how))


def performed(config: RunConfig, store: Path) -> list[Call]:
    """Perform a run twice in an empty store, and return what each asked of the server."""
    os.environ[HOME_VARIABLE] = str(store)
    from flows.server import HEARTBEAT, prefect_api, wait_until_healthy

    os.environ.update(HEARTBEAT)
    with prefect_api(store) as api:
        import prefect  # noqa: F401 - its settings are read here, after the API is known

        wait_until_healthy(api)
        return [call for turn in TURNS for call in _performed(config, turn)]


def _performed(config: RunConfig, turn: Turn) -> list[Call]:
    from flows.personalize import personalize

    watch = Stopwatch()
    with counted() as tally:
        personalize(config)
        _send_what_is_left()
    return tally.calls(turn, watch.seconds)


def _send_what_is_left() -> None:
    """Let the threads that report in the background finish."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=60)
    EventsWorker.drain_all(timeout=60)


def _provenance(run: RunRecord, overrides: Sequence[str]) -> Provenance:
    return Provenance.of_now(
        command_line("scale", [("--set", overrides, ())]),
        base=run.config.base.model,
        precision=run.config.base.precision,
        device=next(entry.device for entry in run.current() if entry.stage == "train"),
        seconds=run.wall_s,
    )


if __name__ == "__main__":
    launch(main)
