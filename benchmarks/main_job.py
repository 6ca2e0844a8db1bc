"""The main job as its user has it: `moongate run` in an empty store, and the same once more.

python -m benchmarks.main_job
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from benchmarks.figures import Figure, Record
from benchmarks.grids import by_metric, target_grid
from benchmarks.launching import (
    FIGURES_FOLDER,
    Output,
    Set,
    Stopwatch,
    command_line,
    launch,
    provenance,
    results_screen,
    saved,
)
from moongate.models.source import resolve_base
from moongate.overrides import load_config
from moongate.runs import RunRecord, load_run

NAME = "main_job"
COLUMNS = {"first": "in an empty store", "again": "once more"}
FIRST_TARGET_S, AGAIN_TARGET_S, AGAIN_TARGET_EVALS = 300.0, 20.0, 0.0


@dataclass(frozen=True)
class Job:
    """One run of the main job: its record, and the seconds from the command's start to its end."""

    record: RunRecord
    seconds: float


def main(
    set_: Set = None,
    output: Output = FIGURES_FOLDER,
) -> None:
    """Run the main job twice in an empty store, without a Prefect server of the user's, and tell the time.

    It takes four to five minutes on two cores; leave the machine alone meanwhile.

    Example: python -m benchmarks.main_job --set train.steps=200
    """
    watch, overrides = Stopwatch(), tuple(set_ or ())
    config = load_config(None, overrides)
    base = resolve_base(config.base)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        figures = (
            *first_figures(performed(store, overrides)),
            *again_figures(performed(store, overrides)),
        )
    how = provenance(command_line(NAME, [("--set", overrides, ())]), base, config.base, watch.seconds)
    path = saved(Record(figures, how), output, NAME)
    show(figures)
    typer.echo(path)


def performed(store: Path, overrides: Sequence[str]) -> Job:
    """Run the main job as a command that shows its progress; when it fails, this one ends as it did."""
    words = [word for setting in overrides for word in ("--set", setting)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    watch = Stopwatch()
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", *words],
        env=environment | {"MOONGATE_HOME": str(store.resolve())},
    )
    seconds = watch.seconds
    if done.returncode:
        sys.exit(done.returncode)
    return Job(load_run(store, "last"), seconds)


def first_figures(job: Job) -> tuple[Figure, ...]:
    """Return what the first run took."""
    seconds, evaluations = _figures(job, "first")
    return seconds.aimed("at most", FIRST_TARGET_S), evaluations, _cached(job, "first")


def again_figures(job: Job) -> tuple[Figure, ...]:
    """Return what the second run took."""
    seconds, evaluations = _figures(job, "again")
    return (
        seconds.aimed("at most", AGAIN_TARGET_S),
        evaluations.aimed("at most", AGAIN_TARGET_EVALS),
        _cached(job, "again"),
    )


def _figures(job: Job, turn: str) -> tuple[Figure, Figure]:
    evaluations = float(job.record.unet_evals)
    return (
        Figure("seconds", "Seconds from the command to its end", turn, job.seconds, "s", n=1, num_units=1),
        Figure("unet_evals", "UNet evaluations", turn, evaluations, "count", n=1, num_units=1),
    )


def _cached(job: Job, turn: str) -> Figure:
    stages = job.record.current()
    found = sum(entry.cached for entry in stages)
    label = f"Stage instances found in the store, of {len(stages)}"
    return Figure("cached", label, turn, float(found), "count", n=len(stages), num_units=1)


def show(figures: Sequence[Figure]) -> None:
    """Print what both runs took, and the targets."""
    screen = results_screen()
    screen.print(by_metric(figures, COLUMNS, "the main job").terminal("Main job"), "")
    screen.print(target_grid(figures, COLUMNS).terminal("Targets"))


if __name__ == "__main__":
    launch(main)
