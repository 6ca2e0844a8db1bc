"""DreamBooth on every subject, without and with prior preservation, against base model and real pictures.

python -m benchmarks.dreambooth
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from benchmarks.comparison import COLUMNS, VARIANTS, Observation, Variant, observations
from benchmarks.conclusions import DERIVED, DERIVED_COLUMNS, compare
from benchmarks.figures import WHOLE, Figure, Record
from benchmarks.grids import by_metric, target_grid
from benchmarks.launching import (
    FIGURES_FOLDER,
    Output,
    Set,
    Stopwatch,
    StoreFolder,
    command_line,
    launch,
    numbers_of,
    provenance,
    results_screen,
    saved,
    shown,
    words_of,
)
from benchmarks.subject_sheet import Drawn, write_subject_sheet
from moongate.artifacts.refs import MetricsRef
from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.evaluation.summaries import Resampling
from moongate.metrics.rows import SummaryRow
from moongate.models.source import BaseSource, resolve_base
from moongate.overrides import load_config
from moongate.progress import Progress
from moongate.toybox.gallery import prompt_set_of
from moongate.toybox.instances import SUBJECTS

NAME = "dreambooth"
SHEET_NAME = "dreambooth.png"
ALL_SUBJECTS = ",".join(SUBJECTS)
SEEDS = "0,1"
# Inversion is measured by a benchmark of its own; here a few pictures show what tuning does to it.
SETTINGS = ("invert.num_images=8",)


@dataclass(frozen=True)
class Cell:
    """One run of the chain."""

    subject: str
    seed: int
    variant: Variant

    def config(self, overrides: Sequence[str]) -> RunConfig:
        """Return the run's settings; `overrides` may change all but whether there is a prior."""
        folder, noun = f"datasets/subjects/{self.subject}", SUBJECTS[self.subject].class_noun
        own = [
            f"seed={self.seed}",
            f"subject.name={self.subject}",
            f"subject.folder={folder}/train",
            f"subject.holdout_folder={folder}/holdout",
            f"subject.class_noun={noun}",
            f"sample.prompts=datasets/prompts/{prompt_set_of(noun)}.jsonl",
        ]
        without = ["train.prior_weight=0"] if self.variant == "without_prior" else []
        return load_config(None, [*SETTINGS, *own, *overrides, *without])


@dataclass(frozen=True)
class Finished:
    """A cell's run: what it measured, and where its pictures are."""

    cell: Cell
    summary: tuple[SummaryRow, ...]
    drawn: Drawn


def main(
    subjects: Annotated[
        str, typer.Option(metavar="NAMES", help="Subjects, separated by commas.")
    ] = ALL_SUBJECTS,
    seeds: Annotated[str, typer.Option(metavar="NUMBERS", help="Seeds, separated by commas.")] = SEEDS,
    set_: Set = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Build at most so many runs now, the others next time; 0 = all.")
    ] = 0,
    store: StoreFolder = Path("store"),
    output: Output = FIGURES_FOLDER,
) -> None:
    """Personalize on every subject with every seed, without and with prior preservation, and compare.

    Each run is the ordinary chain; what the store has is not computed again, so that an interrupted benchmark
    goes on where it was. It takes about 80 minutes on two cores.

    Example: python -m benchmarks.dreambooth --subjects bolt_duck,moon_cup --seeds 0 --set train.steps=200
    """
    watch, overrides = Stopwatch(), tuple(set_ or ())
    cells = plan(words_of(subjects, "--subjects"), numbers_of(seeds, "--seeds"))
    with shown() as progress:
        finished = list(perform(cells, overrides, Store(store), limit, progress))
    if len(finished) < len(cells):
        typer.echo(
            f"{len(cells) - len(finished)} of {len(cells)} runs are left: the same command goes on", err=True
        )
        return
    figures = compare(observed(finished), resampling(overrides))
    options = [("--subjects", subjects, ALL_SUBJECTS), ("--seeds", seeds, SEEDS), ("--set", overrides, ())]
    config = cells[0].config(overrides)
    how = provenance(command_line(NAME, options), _base(config), config.base, watch.seconds)
    write_subject_sheet(output / SHEET_NAME, [one.drawn for one in finished])
    path = saved(Record(figures, how), output, NAME)
    show(figures)
    typer.echo(path)


def plan(subjects: Sequence[str], seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Return the cells in the order in which they are run.

    Raises:
        ConfigError: when a subject is unknown.
    """
    if unknown := [name for name in subjects if name not in SUBJECTS]:
        raise ConfigError(
            f"there is no subject {unknown[0]!r}",
            where="--subjects",
            why=f"the bundled subjects are {', '.join(SUBJECTS)}",
            fix="name some of them; for your own pictures use `moongate run --subject`",
        )
    return tuple(Cell(*cell) for cell in product(subjects, seeds, VARIANTS))


def perform(
    cells: Sequence[Cell], overrides: Sequence[str], store: Store, limit: int, progress: Progress
) -> Iterator[Finished]:
    """Run the chain of each cell; end early once `limit` of them had something to build (0 = never)."""
    from benchmarks.performing import Direct
    from flows.personalize import chain
    from moongate.stages.context import StageContext

    built = 0
    with progress.track("runs", len(cells)) as advance:
        for cell in cells:
            config = cell.config(overrides)
            performer = Direct(StageContext(store, progress, config.base.device))
            outcome, metrics = chain(config, _base(config), performer)
            yield Finished(
                cell, read_summary(store, metrics), Drawn.of(cell.subject, cell.variant, outcome, store)
            )
            advance(1)
            built += performer.built > 0
            if built == limit > 0:
                return


def read_summary(store: Store, metrics: MetricsRef) -> tuple[SummaryRow, ...]:
    """Return the summary rows of an evaluation."""
    rows = pq.read_table(store.folder(metrics) / "summary.parquet").to_pylist()
    return tuple(SummaryRow(**row) for row in rows)


def observed(finished: Sequence[Finished]) -> tuple[Observation, ...]:
    """Return what all runs measured, named by the comparison's columns."""
    return tuple(
        row
        for one in finished
        for row in observations(one.cell.subject, one.cell.seed, one.cell.variant, one.summary)
    )


def show(figures: Sequence[Figure]) -> None:
    """Print the table, what follows from it, and the targets."""
    screen = results_screen()
    table = [figure for figure in figures if figure.group == WHOLE]
    conclusions = [figure for figure in figures if figure.group == DERIVED]
    screen.print(by_metric(table, COLUMNS, "metric").terminal("DreamBooth, mean over subjects and seeds"), "")
    screen.print(by_metric(conclusions, DERIVED_COLUMNS, "").terminal("What follows"), "")
    screen.print(target_grid(figures, DERIVED_COLUMNS).terminal("Targets"))


def resampling(overrides: Sequence[str]) -> Resampling:
    """Return how intervals over subjects are drawn: as the runs draw theirs."""
    evaluate = load_config(None, overrides).evaluate
    return Resampling(evaluate.bootstrap_draws, evaluate.confidence, seed=0)


def _base(config: RunConfig) -> BaseSource:
    return resolve_base(config.base)


if __name__ == "__main__":
    launch(main)
