"""Kill a worker of each engine in the middle of its shard, and compare the results with a local run's.

python -m benchmarks.engines            writes docs/figures/engines.parquet

Each run is the command's: `moongate run --engine dask --engine-devices 2`. It ends with status 1 when a file
of an artifact is not that of the local run, or when a finished batch was computed again. An engine that is
not installed is passed over.
"""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from benchmarks.engines.trial import Trial, differences, perform
from benchmarks.launching import FIGURES_FOLDER, Output, Set, launch, shown
from flows.settings import as_toml
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import write_table
from moongate.overrides import load_config

ENGINES = Table(
    "engines",
    1,
    "engine x stage in which a worker was killed",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("engine", "stage")),
            *(pa.field(name, pa.int64(), nullable=False) for name in ("kept", "again")),
            *(pa.field(name, pa.int64(), nullable=False) for name in ("compared", "differing")),
            *(pa.field(name, pa.float64(), nullable=False) for name in ("wall_s", "local_wall_s")),
        ]
    ),
)
KINDS = ("dask", "ray")
WORKERS = 2
# The smallest run in which every shard of a divided stage has several batches.
SETTINGS = (
    "base.precision=float32",
    "base.device=cpu",
    "ingest.evaluation_folder=datasets/subjects/moon_cup/train",
    "prior.num_images=8",
    "prior.steps=6",
    "prior.batch_size=1",
    "train.steps=4",
    "train.batch_size=2",
    "train.warmup_steps=1",
    "train.num_validation_draws=2",
    "invert.steps=3",
    "invert.num_images=5",
    "invert.batch_size=1",
    "sample.steps=6",
    "sample.seeds_per_prompt=1",
    "sample.class_images=4",
    "sample.batch_size=2",
    "evaluate.batch_size=4",
    "evaluate.bootstrap_draws=100",
)
KILL_IN = frozenset({"prior", "invert", "sample", "evaluate"})
# How many threads compute a picture may show in its last bits.
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def main(output: Output = FIGURES_FOLDER, set_: Set = None) -> None:
    """Kill a worker in every divided stage of a run on each engine, and compare."""
    config = load_config(None, [*SETTINGS, *(set_ or ())])
    kinds = [kind for kind in KINDS if find_spec(f"prefect_{kind}")]
    if not kinds:
        sys.stderr.write("no engine is installed, nothing is measured: pip install '.[dask,ray]'\n")
        return
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch, shown() as progress:
        place = Path(scratch)
        (place / "settings.toml").write_text(as_toml(config), encoding="utf-8")
        # One home for Prefect's private server: making its database anew takes longer than the runs.
        environment = ENVIRONMENT | {"PREFECT_HOME": str(place / "prefect")}
        run = ("run", "--preset", str(place / "settings.toml"))
        with progress.track("engines", 1 + len(kinds)) as advance:
            local = perform(run, place / "local", output / "engines.log", environment, frozenset())
            advance(1)
            for kind in kinds:
                on_engine = (*run, "--engine", kind, "--engine-devices", str(WORKERS))
                trial = perform(on_engine, place / kind, output / "engines.log", environment, KILL_IN)
                rows += rows_of(kind, trial, local, differences(place / "local", place / kind))
                advance(1)
    write_table(output / "engines.parquet", rows, ENGINES, ENVIRONMENT)
    (output / "engines.log").unlink()
    if faults := [row for row in rows if row["again"] or row["differing"]]:
        sys.exit(f"{len(faults)} of {len(rows)} kills changed the result or lost finished work")


def rows_of(
    kind: str, trial: Trial, local: Trial, compared: tuple[tuple[str, ...], int]
) -> list[dict[str, object]]:
    """Return one row of `ENGINES` a kill."""
    result: dict[str, object] = {
        "compared": compared[1],
        "differing": len(compared[0]),
        "wall_s": trial.wall_s,
        "local_wall_s": local.wall_s,
    }
    return [
        {"engine": kind, "stage": strike.worker.stage}
        | {"kept": len(strike.kept), "again": len(strike.again)}
        | result
        for strike in trial.strikes
    ]


if __name__ == "__main__":
    launch(main)
