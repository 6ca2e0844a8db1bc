"""What the artifacts of many runs say, each artifact read once; what is gone or cannot be read is None."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import pyarrow.parquet as pq

from moongate.artifacts.refs import Ref
from moongate.artifacts.store import Store
from moongate.metrics.rows import SummaryRow
from moongate.prompts import CLASS
from moongate.report.evidence import NOISE, ValidationPoint
from moongate.report.reading import UNREADABLE, read_scores, read_validation
from moongate.runs import RunRecord, Verb

PROMPTS_SHOWN = 40
"""Of one sample set; a larger one is cut."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """How training went: the held-out losses by rising step, and the step that was kept."""

    validation: tuple[ValidationPoint, ...]
    kept_step: int


@dataclass(frozen=True)
class DrawnPrompt:
    """A prompt of a sample set and the row of `samples.parquet` with its first seed that could be drawn.

    Attributes:
        template: the prompt with `{subject}` for what was learned: the same in runs of other subjects.
        prompt: as it was drawn.
        row: where its picture is.
    """

    template: str
    prompt: str
    row: int


@dataclass(frozen=True)
class DrawnSet:
    """What a tuned model drew: the sample set's digest and folder, and its prompts in order."""

    digest: str
    folder: Path
    prompts: tuple[DrawnPrompt, ...]


@dataclass(frozen=True)
class Portrait:
    """The first training picture of a subject, with the digest of its image set."""

    digest: str
    folder: Path
    text: str


class Readings:
    """Reads the artifacts of a store's runs. Runs that share one artifact share its reading."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._scores = cache(lambda digest: self._read(digest, read_scores))
        self._fit = cache(lambda digest: self._read(digest, _read_fit))
        self._drawn = cache(lambda digest: self._read(digest, lambda folder: _read_drawn(digest, folder)))
        self._portrait = cache(
            lambda digest: self._read(digest, lambda folder: _read_portrait(digest, folder))
        )

    def scores(self, run: RunRecord) -> tuple[SummaryRow, ...]:
        """Return the summary of a run's metrics; empty when it was not evaluated, or that is gone."""
        digest = _digest(run, "evaluate")
        return (self._scores(digest) if digest else None) or ()

    def fit(self, run: RunRecord) -> Fit | None:
        """Return how the run's adapter was trained."""
        digest = _digest(run, "train")
        return self._fit(digest) if digest else None

    def drawn(self, run: RunRecord) -> DrawnSet | None:
        """Return what the run's tuned model drew of its prompts."""
        digest = _digest(run, "sample", "tuned")
        return self._drawn(digest) if digest else None

    def portrait(self, run: RunRecord) -> Portrait | None:
        """Return a picture of the run's subject."""
        digest = _digest(run, "ingest", "train")
        return self._portrait(digest) if digest else None

    def _read(self, digest: str, read: Callable[[Path], T]) -> T | None:
        try:
            return read(self._store.folder(Ref(digest)))
        except UNREADABLE as error:
            # One artifact that was collected or damaged must not cost the page of all other runs.
            _log.info("left out of the index: artifact %s: %s", digest[:12], str(error).partition("\n")[0])
            return None


def _digest(run: RunRecord, stage: Verb, role: str | None = None) -> str | None:
    for entry in run.current():
        if entry.stage == stage and entry.digest and role in (None, entry.role):
            return entry.digest
    return None


def _read_fit(folder: Path) -> Fit:
    points, kept = read_validation(folder)
    return Fit(tuple(sorted(points, key=lambda point: point.step)), kept)


def _read_drawn(digest: str, folder: Path) -> DrawnSet:
    columns = ["prompt_id", "template", "prompt", "kind", "source", "status"]
    prompts: dict[str, DrawnPrompt] = {}
    # A prompt's rows come by rising seed; one whose picture was lost has no picture to show.
    for number, row in enumerate(pq.read_table(folder / "samples.parquet", columns=columns).to_pylist()):
        if row["status"] == "ok" and row["source"] == NOISE and row["kind"] != CLASS:
            prompts.setdefault(row["prompt_id"], DrawnPrompt(row["template"], row["prompt"], number))
    return DrawnSet(digest, folder, tuple(prompts.values())[:PROMPTS_SHOWN])


def _read_portrait(digest: str, folder: Path) -> Portrait | None:
    texts = pq.read_table(folder / "images.parquet", columns=["text"])["text"].to_pylist()
    return Portrait(digest, folder, texts[0]) if texts else None
