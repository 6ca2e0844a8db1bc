"""One contact sheet of all subjects: training pictures beside what each model makes of the same prompts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.comparison import COLUMNS, Variant
from flows.ingredients import Outcome
from moongate.artifacts.store import Store
from moongate.report.sheets import Cell, contact_sheet, write_sheet

TRAINING_PICTURES = 2
PROMPTS = ("scene-snow", "scene-desert", "property-striped")
TITLE = "Training pictures | base model | tuned without prior | tuned with prior"


@dataclass(frozen=True)
class Drawn:
    """Where one run's pictures are: `images.parquet` of the subject, `samples.parquet` of both models."""

    subject: str
    variant: Variant
    training: Path
    base: Path
    tuned: Path

    @classmethod
    def of(cls, subject: str, variant: Variant, outcome: Outcome, store: Store) -> "Drawn":
        """Look the pictures of a chain up in its store."""
        return cls(
            subject,
            variant,
            store.folder(outcome.instance) / "images.parquet",
            store.folder(outcome.base_samples) / "samples.parquet",
            store.folder(outcome.tuned_samples) / "samples.parquet",
        )


def write_subject_sheet(path: Path, drawn: Sequence[Drawn]) -> None:
    """Write a PNG with one row a subject, from the first run of each variant."""
    first = {(one.subject, one.variant): one for one in reversed(drawn)}
    rows = [list(_row(first, subject)) for subject in dict.fromkeys(one.subject for one in drawn)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sheet(path, contact_sheet(TITLE, [cell for row in rows for cell in row], columns=len(rows[0])))


def _row(first: dict[tuple[str, Variant], Drawn], subject: str) -> Iterator[Cell]:
    without, with_prior = first[subject, "without_prior"], first[subject, "with_prior"]
    pictures = pq.read_table(with_prior.training, columns=["image"]).to_pylist()[:TRAINING_PICTURES]
    yield from (Cell(row["image"]["bytes"], subject) for row in pictures)
    yield from _samples(with_prior.base, COLUMNS["base"])
    yield from _samples(without.tuned, COLUMNS["without_prior"])
    yield from _samples(with_prior.tuned, COLUMNS["with_prior"])


def _samples(path: Path, model: str) -> Iterator[Cell]:
    """Yield the first seed's picture of each prompt of PROMPTS; of the set's first ones when it has none."""
    rows = pq.read_table(path, columns=["prompt_id", "prompt", "seed", "image"]).to_pylist()
    rows = [row for row in rows if row["image"]]
    earliest = {row["prompt_id"]: row for row in sorted(rows, key=lambda row: row["seed"], reverse=True)}
    chosen = [name for name in PROMPTS if name in earliest] or sorted(earliest)[: len(PROMPTS)]
    for name in chosen:
        yield Cell(earliest[name]["image"]["bytes"], f"{model}: {earliest[name]['prompt']}")
