"""The sections made of numbers: metrics, judges, stages, configuration."""

from collections import defaultdict
from collections.abc import Sequence

from moongate.metrics.rows import Direction, ModelRole, SummaryRow
from moongate.report.evidence import Evidence, SettingGroup, StageFact
from moongate.report.glossary import GUIDES, MetricGuide, Section, guide_for, variant_of
from moongate.report.numbers import NO_VALUE, decimal, interval, mebibytes, percent, seconds, whole
from moongate.report.verdict import distance_closed
from moongate.report.views import (
    MetricsSection,
    MetricView,
    Missing,
    SettingsView,
    SettingView,
    StagesSection,
    StageView,
)

ARROWS: dict[Direction, tuple[str, str]] = {
    "higher": ("↑", "higher is better"),
    "lower": ("↓", "lower is better"),
}


def metrics_section(evidence: Evidence) -> MetricsSection | Missing:
    """Every metric that is not shown elsewhere, in the glossary's order."""
    return _metrics(evidence, "metrics", "This run has no metrics.")


def judges_section(evidence: Evidence) -> MetricsSection | Missing:
    """What the classifiers of the drawn world say."""
    return _metrics(
        evidence, "judges", "No exact judges were asked; they know the pictures of the embedded world only."
    )


def inversion_metrics_section(evidence: Evidence) -> MetricsSection | Missing:
    """How exactly both models redraw inverted pictures."""
    return _metrics(evidence, "inversion", "This run did not measure inversions.")


def stages_section(evidence: Evidence) -> StagesSection | Missing:
    """What was executed, what was found in the store, and what it cost."""
    if not evidence.stages:
        return Missing("No stage was recorded.")
    evals = sum(fact.unet_evals for fact in evidence.stages if not fact.cached)
    cached = sum(fact.cached for fact in evidence.stages)
    took = seconds(sum(fact.wall_s for fact in evidence.stages))
    total = (
        f"{took} in {len(evidence.stages)} steps, {cached} of them cached; {whole(evals)} UNet evaluations."
    )
    return StagesSection(tuple(_stage_view(fact) for fact in evidence.stages), total)


def settings_views(groups: Sequence[SettingGroup]) -> tuple[SettingsView, ...]:
    """The configuration as printed."""
    return tuple(
        SettingsView(
            group.title,
            group.meaning,
            tuple(SettingView(item.name, item.value, item.description) for item in group.settings),
        )
        for group in groups
    )


def _metrics(evidence: Evidence, section: Section, otherwise: str) -> MetricsSection | Missing:
    by_metric: dict[str, dict[ModelRole, SummaryRow]] = defaultdict(dict)
    for score in evidence.scores:
        if guide_for(score.metric).section == section:
            by_metric[score.metric][score.model] = score
    rows = tuple(_metric_view(metric, by_metric[metric]) for metric in sorted(by_metric, key=_rank))
    if not rows:
        return Missing(otherwise)
    return MetricsSection(
        rows,
        percent(evidence.run.confidence),
        has_real=any(row.real != NO_VALUE for row in rows),
        has_closed=any(row.closed != NO_VALUE for row in rows),
    )


def _rank(metric: str) -> tuple[int, str]:
    guide = guide_for(metric)
    return (GUIDES.index(guide) if guide in GUIDES else len(GUIDES), metric)


def _metric_view(metric: str, found: dict[ModelRole, SummaryRow]) -> MetricView:
    guide = guide_for(metric)
    arrow, arrow_words = ARROWS[next(iter(found.values())).direction]
    tuned = found.get("tuned")
    return MetricView(
        label=guide.label,
        variant=variant_of(metric),
        meaning=guide.meaning,
        arrow=arrow,
        arrow_words=arrow_words,
        real=_cell(found.get("real"), guide),
        base=_cell(found.get("base"), guide),
        tuned=_cell(tuned, guide),
        interval=_interval(tuned, guide),
        closed=_closed(guide, found),
        status="; ".join(f"{name}: {words}" for name, score in found.items() if (words := _status(score))),
    )


def _status(score: SummaryRow) -> str:
    """Return what is to be said of a figure beside its value; empty when nothing is."""
    odd = score.status if score.status != "ok" else ""
    return ", ".join(filter(None, (odd, f"{score.lost} lost" if score.lost else "")))


def _cell(score: SummaryRow | None, guide: MetricGuide) -> str:
    if score is None or score.value is None:
        return NO_VALUE
    return percent(score.value) if guide.is_share else decimal(score.value, guide.places)


def _interval(score: SummaryRow | None, guide: MetricGuide) -> str:
    if score is None or score.low is None or score.high is None:
        return ""
    return (
        f"{percent(score.low)} to {percent(score.high)}"
        if guide.is_share
        else interval(score.low, score.high, guide.places)
    )


def _closed(guide: MetricGuide, found: dict[ModelRole, SummaryRow]) -> str:
    values = [found[name].value if name in found else None for name in ("tuned", "base", "real")]
    tuned, base, real = values
    if not guide.closes_distance or tuned is None or base is None or real is None:
        return NO_VALUE
    return percent(distance_closed(tuned, base, real))


def _stage_view(fact: StageFact) -> StageView:
    return StageView(
        fact.stage, fact.role, fact.cached, seconds(fact.wall_s), whole(fact.items),
        whole(0 if fact.cached else fact.unet_evals), mebibytes(fact.peak_memory_bytes), fact.device,
        fact.digest, fact.digest[:12],
    )  # fmt: skip
