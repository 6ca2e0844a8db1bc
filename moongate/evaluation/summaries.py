"""From scores to one row per metric and model, each with an interval that fits how it was drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moongate.bad_items import FAULTS
from moongate.evaluation.galleries import Gallery
from moongate.evaluation.scores import Metric, Scores
from moongate.metrics.bootstrap import Interval, bootstrap_generator, cluster_bootstrap
from moongate.metrics.distribution import Discrepancy, kid, kid_paired
from moongate.metrics.jackknife import jackknife_variance, normal_interval, pair_mean_without_each
from moongate.metrics.rows import MetricRow, ModelRole, Status, SummaryRow
from moongate.metrics.similarity import cosine_matrix

# Features have length 1, so their product is a cosine already.
KID_GAMMA = 1.0
MIN_PAIRED_PICTURES = 3


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: `draws` resamples, the coverage as a fraction, and the root of their seeds."""

    draws: int
    confidence: float
    seed: int


def summarise(scores: Scores, resampling: Resampling) -> SummaryRow:
    """Mean over the pictures, with an interval over prompts or pictures.

    A picture without a value stays out of the mean and of n, except that one infinite value makes the mean
    infinite: status `inf`. With nothing to average the status is that of the pictures, or `missing`.
    """
    measured = [row for row in scores.rows if row.value is not None]
    values = np.array([row.value for row in measured], dtype=np.float64)
    units = _units(measured, scores.metric)
    status = _status(scores.rows)
    interval = None
    if status == "ok":
        generator = bootstrap_generator(resampling.seed, f"{scores.metric.name} {scores.model}")
        interval = cluster_bootstrap(
            values, units, draws=resampling.draws, confidence=resampling.confidence, generator=generator
        )
    return SummaryRow(
        metric=scores.metric.name,
        model=scores.model,
        value=float(values.mean()) if status == "ok" else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(measured),
        status=status,
        direction=scores.metric.direction,
        unit=scores.metric.unit,
        num_units=len(set(units)),
        interval=interval.kind if interval else "none",
        lost=sum(row.status in FAULTS for row in scores.rows),
    )


def class_diversity(
    gallery: Gallery | None, model: ModelRole, extractor: str, resampling: Resampling
) -> SummaryRow:
    """Mean of 1 - identity cosine over all pairs of class pictures: whether the class still varies.

    Prior preservation is meant to keep it (DreamBooth, table 3). The interval is a jackknife's: pictures
    share their pairs, and a bootstrap of pictures would pair some with themselves. Fewer than three:
    `too_few`.
    """
    metric = Metric(f"class_diversity.identity_cosine.{extractor}", "higher", "image")
    if gallery is None:
        return _single(metric, model, None, None, 0, "missing")
    n = len(gallery.items)
    if n < MIN_PAIRED_PICTURES:
        return _single(metric, model, None, None, n, "too_few", len(gallery.lost))
    distances = 1.0 - cosine_matrix(gallery.identity, gallery.identity)
    value = float((distances.sum() - np.trace(distances)) / (n * (n - 1)))
    variance = jackknife_variance(pair_mean_without_each(distances))
    interval = normal_interval(value, variance, resampling.confidence)
    return _single(metric, model, value, interval, n, "ok", len(gallery.lost))


def class_kid(
    base: Gallery | None, tuned: Gallery | None, extractor: str, resampling: Resampling
) -> list[SummaryRow]:
    """Unbiased KID of the tuned model's class pictures against the base model's, on CLIP's unit features.

    The base model's own row compares one half of its pictures with the other: the floor that chance leaves.
    The kernel and the features differ from the Inception-based KID, and the figures cannot be compared with
    it.
    """
    metric = Metric(f"class_kid.cubic_clip_cosine.{extractor}", "lower", "image")
    floor = _kid_row(metric, "base", _half_against_half(base), resampling, _seen(base), _lost(base))
    drift = _tuned_against_base(base, tuned)
    # Of a pair that lost both its pictures, one is counted.
    lost = {one.item.seed for gallery in (base, tuned) if gallery for one in gallery.lost}
    return [floor, _kid_row(metric, "tuned", drift, resampling, drift.n if drift else 0, len(lost))]


def _seen(gallery: Gallery | None) -> int:
    return len(gallery.items) if gallery else 0


def _lost(gallery: Gallery | None) -> int:
    return len(gallery.lost) if gallery else 0


def _half_against_half(base: Gallery | None) -> Discrepancy | None:
    if base is None:
        return None
    by_seed = np.argsort([item.seed or 0 for item in base.items], kind="stable")
    return kid(base.clip[by_seed[::2]], base.clip[by_seed[1::2]], gamma=KID_GAMMA)


def _tuned_against_base(base: Gallery | None, tuned: Gallery | None) -> Discrepancy | None:
    """Pictures of equal seeds began at the same noise, which the estimate has to know.

    Where one of a pair is lost, the other one stays out, too.
    """
    if base is None or tuned is None:
        return None
    rows_of = {item.seed: row for row, item in enumerate(tuned.items)}
    if pairs := [(rows_of[item.seed], row) for row, item in enumerate(base.items) if item.seed in rows_of]:
        ours, theirs = (list(rows) for rows in zip(*pairs, strict=True))
        return kid_paired(tuned.clip[ours], base.clip[theirs], gamma=KID_GAMMA)
    return kid(tuned.clip, base.clip, gamma=KID_GAMMA)


def _kid_row(
    metric: Metric, model: ModelRole, found: Discrepancy | None, resampling: Resampling, seen: int, lost: int
) -> SummaryRow:
    """`seen` pictures of the model's own are behind the value: both halves of the base model's."""
    if found is None:
        return _single(metric, model, None, None, 0, "missing")
    interval = found.interval(resampling.confidence)
    return _single(metric, model, found.value, interval, seen, found.status, lost)


def _single(
    metric: Metric,
    model: ModelRole,
    value: float | None,
    interval: Interval | None,
    n: int,
    status: Status,
    lost: int = 0,
) -> SummaryRow:
    """A row that was not averaged from pictures."""
    return SummaryRow(
        metric=metric.name,
        model=model,
        value=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=n,
        status=status,
        direction=metric.direction,
        unit=metric.unit,
        num_units=n,
        interval=interval.kind if interval else "none",
        lost=lost,
    )


def _units(rows: Sequence[MetricRow], metric: Metric) -> list[str]:
    if metric.unit == "image":
        return [row.item_id for row in rows]
    return [str(row.prompt_id) for row in rows]


def _status(rows: Sequence[MetricRow]) -> Status:
    statuses = [row.status for row in rows]
    if "inf" in statuses:
        return "inf"
    if "ok" in statuses:
        return "ok"
    return statuses[0] if statuses else "missing"
