"""What follows from a comparison: how much was learned, what was kept, and what the prior protects."""

from collections.abc import Sequence

import numpy as np

from benchmarks.comparison import (
    VARIANTS,
    Observation,
    Values,
    Variant,
    aligned,
    over_all,
    per_subject,
    subject_interval,
)
from benchmarks.figures import Figure, Unit
from moongate.config import GateConfig
from moongate.evaluation.summaries import Resampling
from moongate.metrics.bootstrap import (
    MIN_UNITS,
    Interval,
    bootstrap_generator,
    expanded_tail,
    fewest_units,
    student_interval,
)
from moongate.report.glossary import (
    CLASS_RESEMBLANCE,
    PROMPT_FIDELITY,
    SUBJECT_FIDELITY,
    SUBJECT_FIDELITY_CLIP,
    MetricGuide,
    guide_for,
)

DERIVED = "derived"
DIFFERENCE = "difference"
DERIVED_COLUMNS = {
    "without_prior": "without prior",
    "with_prior": "with prior",
    DIFFERENCE: "what the prior protects",
}
SMALLEST_DENOMINATOR = 1e-9


def compare(found: Sequence[Observation], resampling: Resampling) -> tuple[Figure, ...]:
    """Return every figure of the comparison: the table, a row for each subject, and what follows."""
    return (*over_all(found, resampling), *per_subject(found), *derived(found, resampling))


def derived(found: Sequence[Observation], resampling: Resampling) -> tuple[Figure, ...]:
    """Return what the table is for: how much was learned, what was kept, and what the prior protects."""
    diversity, class_diversity = guide_for("diversity"), guide_for("class_diversity")
    shares = [
        *(_closed(found, SUBJECT_FIDELITY, variant, resampling) for variant in VARIANTS),
        *(_closed(found, SUBJECT_FIDELITY_CLIP, variant, resampling) for variant in VARIANTS),
        *(_kept(found, variant, resampling) for variant in VARIANTS),
    ]
    protected = [
        *_protected(found, CLASS_RESEMBLANCE, -1.0, resampling),
        *_protected(found, diversity, 1.0, resampling),
        *_protected(found, class_diversity, 1.0, resampling),
    ]
    return tuple(_with_target(figure) for figure in (*shares, *protected))


def ratio_interval(
    top: Values, bottom: Values, subjects: Sequence[str], how: Resampling, purpose: str
) -> Interval | None:
    """Return the interval of mean(top) / mean(bottom), both (n,), when whole subjects are redrawn.

    With expanded percentiles, and Student's for few subjects, as `cluster_bootstrap`. None for fewer than two
    subjects, or when some draw leaves nothing to divide by.
    """
    names, member = np.unique(np.asarray(subjects), return_inverse=True)
    above, below = (np.bincount(member, weights=part).astype(np.float64) for part in (top, bottom))
    if len(names) < MIN_UNITS or below.min() < SMALLEST_DENOMINATOR:
        return None
    if len(names) < fewest_units(how.confidence):
        return student_interval(above, below, confidence=how.confidence)
    drawn = bootstrap_generator(how.seed, purpose).integers(len(names), size=(how.draws, len(names)))
    tail = expanded_tail(how.confidence, len(names))
    low, high = np.quantile(above[drawn].sum(axis=1) / below[drawn].sum(axis=1), [tail, 1.0 - tail])
    return Interval(float(low), float(high), "cluster_bootstrap")


def _closed(found: Sequence[Observation], guide: MetricGuide, variant: Variant, how: Resampling) -> Figure:
    """(tuned - base) / (real - base): 0 at the base model, 1 at real pictures."""
    runs = aligned(found, guide, ("base", variant, "real"))
    name = f"distance_closed.{guide.key}"
    label = f"{guide.label}: share of the way from the base model to real pictures"
    if runs is None:
        return _absent(name, label, variant, "share")
    base, tuned, real = (runs.values[column] for column in ("base", variant, "real"))
    return _ratio(name, label, variant, runs.subjects, tuned - base, real - base, how)


def _kept(found: Sequence[Observation], variant: Variant, how: Resampling) -> Figure:
    """tuned / base."""
    runs = aligned(found, PROMPT_FIDELITY, ("base", variant))
    name, label = "prompt_kept", f"{PROMPT_FIDELITY.label}: share of the base model's that is kept"
    if runs is None:
        return _absent(name, label, variant, "share")
    return _ratio(name, label, variant, runs.subjects, runs.values[variant], runs.values["base"], how)


def _ratio(
    name: str, label: str, column: str, subjects: Sequence[str], top: Values, bottom: Values, how: Resampling
) -> Figure:
    if bottom.mean() < SMALLEST_DENOMINATOR:
        return _absent(name, label, column, "share", status="nothing to divide by")
    interval = ratio_interval(top, bottom, subjects, how, f"{name} {column}")
    value = float(top.mean() / bottom.mean())
    return _figure(name, label, column, value, interval, subjects, unit="share")


def _protected(
    found: Sequence[Observation], guide: MetricGuide, sign: float, how: Resampling
) -> tuple[Figure, ...]:
    """Both variants, and sign * (with - without) run by run: above zero where the prior helps."""
    runs = aligned(found, guide, VARIANTS)
    name = f"protected.{guide.key}"
    if runs is None:
        return tuple(_absent(name, guide.label, column, "score") for column in DERIVED_COLUMNS)
    columns = dict(runs.values)
    columns[DIFFERENCE] = sign * (columns["with_prior"] - columns["without_prior"])
    return tuple(
        _figure(
            name,
            guide.label,
            column,
            float(values.mean()),
            subject_interval(values, runs.subjects, how, f"{name} {column}"),
            runs.subjects,
            unit="score",
        )
        for column, values in columns.items()
    )


def _with_target(figure: Figure) -> Figure:
    if figure.column == "with_prior" and figure.metric == f"distance_closed.{SUBJECT_FIDELITY.key}":
        return figure.aimed("at least", GateConfig().min_fidelity)
    if figure.column == "with_prior" and figure.metric == "prompt_kept":
        return figure.aimed("at least", GateConfig().min_prompt_fidelity)
    promised = (f"protected.{CLASS_RESEMBLANCE.key}", "protected.diversity")
    if figure.column == DIFFERENCE and figure.metric in promised:
        return figure.aimed("surely above", 0.0)
    return figure


def _figure(
    name: str,
    label: str,
    column: str,
    value: float,
    interval: Interval | None,
    subjects: Sequence[str],
    *,
    unit: Unit,
) -> Figure:
    return Figure(
        metric=name,
        label=label,
        column=column,
        value=value,
        unit=unit,
        group=DERIVED,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(subjects),
        num_units=len(set(subjects)),
    )


def _absent(name: str, label: str, column: str, unit: Unit, status: str = "missing") -> Figure:
    return Figure(name, label, column, None, unit, DERIVED, status=status)
