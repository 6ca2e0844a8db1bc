"""From the summaries of many runs to one comparison: base, tuned without and with prior, real pictures.

The unit that was drawn is the subject: runs of one subject with other seeds resemble one another, so
intervals resample whole subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import WHOLE, Figure
from moongate.evaluation.summaries import Resampling
from moongate.metrics.bootstrap import Interval, bootstrap_generator, cluster_bootstrap
from moongate.metrics.rows import SummaryRow
from moongate.report.glossary import MetricGuide, guide_for

Variant = Literal["without_prior", "with_prior"]
VARIANTS: tuple[Variant, ...] = ("without_prior", "with_prior")
COLUMNS = {
    "base": "base model",
    "without_prior": "without prior",
    "with_prior": "with prior",
    "real": "real pictures",
}
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """One metric of one model in one run."""

    subject: str
    seed: int
    column: str
    metric: str
    value: float | None
    status: str


@dataclass(frozen=True)
class Aligned:
    """One metric in several columns: `values[column][i]` and `subjects[i]` belong to the same run."""

    subjects: tuple[str, ...]
    values: dict[str, Values]


def observations(
    subject: str, seed: int, variant: Variant, summary: Sequence[SummaryRow]
) -> tuple[Observation, ...]:
    """Name what one run measured by the comparison's columns.

    Base model and real pictures are the same in both variants of a run; they are taken from the one with the
    prior, so that they count once.
    """
    column = {"tuned": variant} | ({"base": "base", "real": "real"} if variant == "with_prior" else {})
    return tuple(
        Observation(subject, seed, column[row.model], row.metric, row.value, row.status)
        for row in summary
        if row.model in column
    )


def over_all(found: Sequence[Observation], resampling: Resampling) -> tuple[Figure, ...]:
    """Return the mean over runs of each metric and column, its interval over subjects.

    A metric that some run could not measure has no mean: its figure carries that run's status.
    """
    return tuple(_mean(rows, WHOLE, _interval_of(rows, resampling)) for rows in _cells(found))


def per_subject(found: Sequence[Observation]) -> tuple[Figure, ...]:
    """Return the mean over seeds of each metric and column for each subject, without intervals."""
    names = dict.fromkeys(row.subject for row in found)
    own = {name: [row for row in found if row.subject == name] for name in names}
    return tuple(_mean(rows, name, None) for name in names for rows in _cells(own[name]))


def aligned(found: Sequence[Observation], guide: MetricGuide, columns: Sequence[str]) -> Aligned | None:
    """Return a metric's values of the runs in several columns; None when one of them is not there."""
    rows = [row for row in found if guide_for(row.metric) == guide and row.column in columns]
    values = {(row.subject, row.seed, row.column): row.value for row in rows}
    runs = list(dict.fromkeys((row.subject, row.seed) for row in rows))
    table = {column: [values.get((*run, column)) for run in runs] for column in columns}
    if not runs or any(value is None for column in table.values() for value in column):
        return None
    arrays = {column: np.array(numbers, dtype=np.float64) for column, numbers in table.items()}
    return Aligned(tuple(subject for subject, _ in runs), arrays)


def _cells(found: Sequence[Observation]) -> list[list[Observation]]:
    """Return the observations of each metric and column, metrics in their order and columns in COLUMNS'."""
    cells: dict[tuple[str, str], list[Observation]] = {}
    for row in found:
        cells.setdefault((row.metric, row.column), []).append(row)
    metrics = dict.fromkeys(row.metric for row in found)
    wanted = ((metric, column) for metric in metrics for column in COLUMNS)
    return [cells[key] for key in wanted if key in cells]


def _mean(rows: Sequence[Observation], group: str, interval: Interval | None) -> Figure:
    first, guide = rows[0], guide_for(rows[0].metric)
    values = [row.value for row in rows if row.value is not None]
    faults = [row.status for row in rows if row.value is None]
    return Figure(
        metric=first.metric,
        label=guide.label,
        column=first.column,
        value=None if faults else float(np.mean(values)),
        unit="share" if guide.is_share else "score",
        group=group,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(values),
        num_units=len({row.subject for row in rows}),
        status=faults[0] if faults else "ok",
    )


def _interval_of(rows: Sequence[Observation], how: Resampling) -> Interval | None:
    if any(row.value is None for row in rows):
        return None
    values = np.array([row.value for row in rows], dtype=np.float64)
    purpose = f"{rows[0].metric} {rows[0].column}"
    return subject_interval(values, [row.subject for row in rows], how, purpose)


def subject_interval(
    values: Values, subjects: Sequence[str], how: Resampling, purpose: str
) -> Interval | None:
    """Return the interval of the mean of `values` (n,) when whole subjects are redrawn."""
    generator = bootstrap_generator(how.seed, purpose)
    return cluster_bootstrap(
        values, list(subjects), draws=how.draws, confidence=how.confidence, generator=generator
    )
