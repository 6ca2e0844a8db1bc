"""Kill a tiny run at seeded moments of every stage, go on with it, and compare it with one left alone.

python -m benchmarks.kills            writes docs/figures/kills.parquet, and goes on where it was stopped

Each round is one run that dies in every stage instance, in training several times. It ends with status 1 when
a finished file is not, byte for byte, that of the run that was not killed, when finished work was done again,
or when too few kills hit work in progress.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from benchmarks.kills.strikes import RULE, courses, strikes
from benchmarks.kills.trial import Trial, disturbed, undisturbed
from benchmarks.launching import FIGURES_FOLDER, Output, Set, launch, shown
from moongate.artifacts.digests import json_digest
from moongate.artifacts.manifest import library_versions
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import read_provenance, write_table
from moongate.config import RunConfig
from moongate.overrides import load_config

KILLS = Table(
    "kills",
    1,
    "kill",
    pa.schema(
        [
            *(pa.field(name, pa.int64(), nullable=False) for name in ("round", "kill")),
            *(pa.field(name, pa.string(), nullable=False) for name in ("stage", "role")),
            *(pa.field(name, pa.int64(), nullable=False) for name in ("done", "kept", "again")),
            *(pa.field(name, pa.int64(), nullable=False) for name in ("compared", "differing")),
        ]
    ),
)
BETWEEN = "between stages"
# The smallest run whose every stage has several batches, and whose training has several checkpoints.
SETTINGS = (
    "base.precision=float32",
    "base.device=cpu",
    "ingest.evaluation_folder=datasets/subjects/moon_cup/train",
    "prior.num_images=6",
    "prior.steps=3",
    "prior.batch_size=2",
    "cache.batch_size=2",
    "train.steps=8",
    "train.batch_size=2",
    "train.warmup_steps=2",
    "train.validate_every=4",
    "train.checkpoint_every=2",
    "train.num_validation_draws=2",
    "invert.steps=3",
    "invert.num_images=4",
    "invert.batch_size=2",
    "sample.steps=3",
    "sample.seeds_per_prompt=1",
    "sample.class_images=4",
    "sample.batch_size=5",
    "evaluate.batch_size=8",
    "evaluate.bootstrap_draws=100",
)
# Kills after the first piece of work of a stage instance. Fewer would leave most instances with one or two.
AT_WORK = 50
# Some twenty kills a round, nearly all of them at work: three rounds are enough, and eight end it anyway.
ROUNDS = 8

Row = dict[str, object]


def main(
    output: Output = FIGURES_FOLDER,
    limit: Annotated[
        int, typer.Option(help="Kills that hit work in progress, rounded up to whole rounds.")
    ] = AT_WORK,
    seed: Annotated[int, typer.Option(help="Decides the moments.")] = 0,
    set_: Set = None,
) -> None:
    """Kill a tiny run at seeded moments of every stage, go on with it, and compare."""
    config = load_config(None, [*SETTINGS, *(set_ or ())])
    path, provenance = output / "kills.parquet", provenance_of(config, seed)
    rows = earlier_rows(path, provenance)
    for found in rounds(config, seed, limit, rows):
        rows += found
        write_table(path, rows, KILLS, provenance)
    if faults := [row for row in rows if row["again"] or row["differing"]]:
        sys.exit(f"{len(faults)} of {len(rows)} kills changed the result or lost finished work: see {path}")
    if (hit := at_work(rows)) < AT_WORK:
        sys.exit(f"{hit} of {len(rows)} kills hit work in progress, and {AT_WORK} are needed: see {path}")


def at_work(rows: Sequence[Row]) -> int:
    """Return how many kills came after the first piece of work of a stage instance."""
    return sum(row["done"] != 0 for row in rows)


def provenance_of(config: RunConfig, seed: int) -> dict[str, str]:
    """Return what the kills depend on."""
    versions = [f"{item.name} {item.version}" for item in library_versions()]
    return {
        "settings": json_digest(config.model_dump(mode="json")),
        "seed": str(seed),
        "rule": str(RULE),
        "versions": ", ".join(versions),
    }


def earlier_rows(path: Path, provenance: dict[str, str]) -> list[Row]:
    """Return the rows of rounds that are done: of the same run, seed and versions."""
    if not path.is_file() or not provenance.items() <= read_provenance(path).items():
        return []
    rows: list[Row] = pq.read_table(path).to_pylist()
    return rows


def rounds(config: RunConfig, seed: int, limit: int, earlier: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows of one round after another.

    Until `limit` kills have hit work in progress, the earlier ones among them, or `ROUNDS` are done.
    """
    count, number = at_work(earlier), len({row["round"] for row in earlier})
    if count >= limit or number >= ROUNDS:
        return
    with tempfile.TemporaryDirectory() as scratch, shown() as progress:
        place = Path(scratch)
        calm = undisturbed(config, place / "calm", place / "log")
        with progress.track("kills", limit) as advance:
            advance(count)
            while count < limit and number < ROUNDS:
                planned = strikes(courses(calm), seed, number)
                with tempfile.TemporaryDirectory(dir=scratch) as home:
                    trial = disturbed(config, planned, Path(home), place / "log", place / "calm", calm)
                found = rows_of(trial, number)
                yield found
                number, count = number + 1, count + at_work(found)
                advance(at_work(found))


def rows_of(trial: Trial, number: int) -> list[Row]:
    """Return one row of `KILLS` a kill."""
    result = {"compared": trial.compared, "differing": len(trial.differing)}
    return [
        {"round": number, "kill": index, "stage": stage, "role": role}
        | {"done": kill.done, "kept": kill.kept, "again": kill.again}
        | result
        for index, kill in enumerate(trial.kills)
        for stage, role in (kill.instance or (BETWEEN, ""),)
    ]


if __name__ == "__main__":
    launch(main)
