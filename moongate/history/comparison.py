"""What differs between two runs: their settings, what they read, and what came out."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

from moongate.artifacts.differences import ABSENT, Difference, Statement, compare, leaves, shown
from moongate.artifacts.refs import MetricsRef
from moongate.artifacts.store import Store
from moongate.runs import RunRecord

# Settings of recipes that were read from a file, and so are no settings of the run.
_FROM_FILES = "prompts."
SUMMARY_NAME = "summary.parquet"


@dataclass(frozen=True)
class SettingChange:
    """A setting that two runs do not have in common, as JSON text."""

    setting: str
    first: str
    second: str


@dataclass(frozen=True)
class InputChange:
    """Something that a stage read in two runs, and that was not the same: a picture, a prompt, weights."""

    stage: str
    role: str
    name: str
    first: str
    second: str


@dataclass(frozen=True)
class Figure:
    """A summary figure with its interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class MetricChange:
    """A figure that is not the same in two runs; None where a run does not have it."""

    metric: str
    model: str
    first: Figure | None
    second: Figure | None

    @property
    def difference(self) -> float | None:
        """Second minus first, where both have a value."""
        values = [figure.value for figure in (self.first, self.second) if figure]
        if len(values) < 2 or None in values:
            return None
        return float(values[1]) - float(values[0])  # type: ignore[arg-type]


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side. `equal_metrics` counts the figures that are exactly the same."""

    first: str
    second: str
    settings: tuple[SettingChange, ...]
    inputs: tuple[InputChange, ...]
    metrics: tuple[MetricChange, ...]
    equal_metrics: int


def compare_runs(store: Store, first: RunRecord, second: RunRecord) -> Comparison:
    """Return what differs between two runs, by their records and what is left of their artifacts."""
    ours, theirs = _figures(store, first), _figures(store, second)
    changed = tuple(
        MetricChange(*key, ours.get(key), theirs.get(key))
        for key in dict.fromkeys((*ours, *theirs))
        if ours.get(key) != theirs.get(key)
    )
    return Comparison(
        first=first.run_id,
        second=second.run_id,
        settings=tuple(_settings(first, second)),
        inputs=tuple(_inputs(store, first, second)),
        metrics=changed,
        equal_metrics=len(ours.keys() | theirs.keys()) - len(changed),
    )


def _settings(first: RunRecord, second: RunRecord) -> Iterator[SettingChange]:
    ours, theirs = (dict(leaves(run.config.model_dump(mode="json"))) for run in (first, second))
    for name in dict.fromkeys((*ours, *theirs)):
        pair = [side.get(name, ABSENT) for side in (ours, theirs)]
        if pair[0] != pair[1]:
            yield SettingChange(name, *(shown(value) for value in pair))


def _inputs(store: Store, first: RunRecord, second: RunRecord) -> Iterator[InputChange]:
    ours, theirs = (
        {(entry.stage, entry.role): entry.digest for entry in run.current() if entry.digest}
        for run in (first, second)
    )
    for stage, role in dict.fromkeys((*ours, *theirs)):
        pair = ours.get((stage, role)), theirs.get((stage, role))
        if None in pair:
            told = ["not performed" if digest is None else digest[:12] for digest in pair]
            yield InputChange(stage, role, "artifact", *told)
        elif pair[0] != pair[1]:
            yield from _read_by(store, stage, role, str(pair[0]), str(pair[1]))


def _read_by(store: Store, stage: str, role: str, first: str, second: str) -> Iterator[InputChange]:
    """Yield what a stage instance did not read alike; what other stages made is told there."""
    made = [store.look_up(digest) for digest in (first, second)]
    if made[0] is None or made[1] is None:
        told = ["removed from the store" if manifest is None else "kept" for manifest in made]
        yield InputChange(stage, role, "artifact", *told)
        return
    for one in compare(*(Statement.of_manifest(manifest) for manifest in made if manifest)):
        if one.kind == "revision" or _was_read(store, one):
            yield InputChange(stage, role, one.name, shown(one.old), shown(one.new))


def _was_read(store: Store, one: Difference) -> bool:
    if one.kind == "setting":
        return one.name.startswith(_FROM_FILES)
    return not any(store.look_up(str(digest)) for digest in (one.old, one.new) if digest != ABSENT)


def _figures(store: Store, run: RunRecord) -> dict[tuple[str, str], Figure]:
    """Return the summary of a run by metric and model; empty when it was not evaluated, or that is gone."""
    for entry in run.current():
        if entry.stage == "evaluate" and store.look_up(entry.digest) is not None:
            path = store.folder(MetricsRef(entry.digest)) / SUMMARY_NAME
            rows = pq.read_table(path, columns=["metric", "model", "value", "low", "high"]).to_pylist()
            return {
                (row["metric"], row["model"]): Figure(row["value"], row["low"], row["high"]) for row in rows
            }
    return {}
