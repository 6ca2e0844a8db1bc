"""Kill workers of each engine in the middle of their work, and compare the results with a local run's.

python -m benchmarks.engines            writes docs/figures/engines.parquet

Each command is the user's: `moongate run --engine dask --engine-devices 2`, a worker of which is killed in
every stage that is divided, and `moongate batch` over three subjects, a worker of which is killed while it
draws pictures. It ends with status 1 when a stage was over before anybody could be killed in it, when a
command failed, a file of an artifact is not that of the command without an engine or a finished batch was
computed again, and where an engine is not installed.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from benchmarks.engines.trial import Prey, Trial, differences, perform
from benchmarks.engines.workers import STAGE_LOCKS
from benchmarks.launching import FIGURES_FOLDER, Output, Set, launch, shown
from flows.settings import as_toml
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import write_table
from moongate.overrides import load_config

ENGINES = Table(
    "engines",
    2,
    "engine x command x stage in which a worker was killed",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("engine", "command", "stage")),
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
# Of the three runs of a batch, only the stage in which somebody is killed needs more than one batch.
TINY = (
    "prior.num_images=2",
    "prior.steps=2",
    "train.steps=2",
    "invert.num_images=1",
    "invert.steps=2",
    "sample.steps=4",
    "sample.class_images=2",
)
# How many threads compute a picture may show in its last bits.
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
# So many files of a kind are named when something is wrong.
SHOWN = 3
SUBJECTS = ("bolt_duck", "moon_cup", "ring_cat")


@dataclass(frozen=True)
class Command:
    """A command that is performed here and on each engine.

    Attributes:
        words: it, without settings and engine.
        settings: that it changes.
        prey: who is killed on an engine.
    """

    words: tuple[str, ...]
    settings: tuple[str, ...]
    prey: Prey


@dataclass(frozen=True)
class Comparison:
    """A command on an engine, beside the same one here.

    Attributes:
        differing: files of artifacts that are not the same in both.
        compared: how many were looked at.
    """

    engine: str
    command: Command
    away: Trial
    here: Trial
    differing: tuple[str, ...]
    compared: int

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield one row of `ENGINES` a kill."""
        for strike in self.away.strikes:
            yield {
                "engine": self.engine,
                "command": self.command.words[0],
                "stage": strike.worker.stage,
                "kept": len(strike.kept),
                "again": len(strike.again),
                "compared": self.compared,
                "differing": len(self.differing),
                "wall_s": self.away.wall_s,
                "local_wall_s": self.here.wall_s,
            }

    def faults(self) -> Iterator[str]:
        """Yield what is not as it must be."""
        name = f"{self.command.words[0]} on {self.engine}"
        if missed := self.command.prey.stages - self.away.struck:
            yield f"{name}: nobody was killed in {', '.join(sorted(missed))}"
        if not self.compared or self.differing:
            names = " ".join(self.differing[:SHOWN])
            yield f"{name}: {len(self.differing)} of {self.compared} files differ {names}"
        for strike in self.away.strikes:
            if strike.again:
                again = " ".join(sorted(strike.again)[:SHOWN])
                yield f"{name}: {len(strike.again)} batches of {strike.worker.stage} done again: {again}"


def main(output: Output = FIGURES_FOLDER, set_: Set = None) -> None:
    """Kill workers of each engine in the middle of their work, and compare."""
    if missing := [kind for kind in KINDS if find_spec(f"prefect_{kind}") is None]:
        sys.exit(f"not installed: {', '.join(missing)}; pip install -c requirements.lock -e '.[dask,ray]'")
    with tempfile.TemporaryDirectory() as scratch, shown() as progress:
        place = Path(scratch)
        bench = Bench(place, output / "engines.log", write_settings(place, set_ or ()))
        commands = (
            Command(("run",), (), Prey(frozenset({"prior", "invert", "sample", "evaluate"}))),
            Command(("batch", str(write_subjects(place))), TINY, Prey(frozenset({"sample"}), STAGE_LOCKS)),
        )
        compared = list[Comparison]()
        with progress.track("engines", len(commands)) as advance:
            for command in commands:
                compared += bench.compare(command)
                advance(1)
    rows = [row for one in compared for row in one.rows()]
    write_table(output / "engines.parquet", rows, ENGINES, ENVIRONMENT)
    if faults := [fault for one in compared for fault in one.faults()]:
        sys.exit("\n".join(faults))
    bench.log.unlink()


@dataclass(frozen=True)
class Bench:
    """Where commands are performed.

    Attributes:
        place: of their stores, and of one home for Prefect's private servers: making its database anew takes
            longer than the runs.
        log: what they write to the terminal.
        settings: a preset.
    """

    place: Path
    log: Path
    settings: Path

    def compare(self, command: Command) -> Iterator[Comparison]:
        """Perform a command here, then on each engine with a worker killed, and yield what came of each."""
        local = self._home(command, "local")
        here = self._perform(command, local, (), Prey())
        for kind in KINDS:
            home = self._home(command, kind)
            options = ("--engine", kind, "--engine-devices", str(WORKERS))
            away = self._perform(command, home, options, command.prey)
            yield Comparison(kind, command, away, here, *differences(local, home))

    def _perform(self, command: Command, home: Path, options: Sequence[str], prey: Prey) -> Trial:
        environment = ENVIRONMENT | {"PREFECT_HOME": str(self.place / "prefect")}
        changes = (word for change in command.settings for word in ("--set", change))
        words = (*command.words, "--preset", str(self.settings), *changes, *options)
        return perform(words, home, self.log, environment, prey)

    def _home(self, command: Command, kind: str) -> Path:
        return self.place / f"{command.words[0]}-{kind}"


def write_settings(place: Path, changes: Sequence[str]) -> Path:
    """Write the settings of all commands as a preset."""
    path = place / "settings.toml"
    path.write_text(as_toml(load_config(None, [*SETTINGS, *changes])), encoding="utf-8")
    return path


def write_subjects(place: Path) -> Path:
    """Write a folder of subjects with links to the bundled pictures, and return it."""
    folder = place / "subjects"
    folder.mkdir()
    for name in SUBJECTS:
        (folder / name).symlink_to(Path("datasets/subjects").resolve() / name)
    return folder


if __name__ == "__main__":
    launch(main)
