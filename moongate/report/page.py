"""The report: evidence in, one self-contained HTML page out."""

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from moongate.report.drawings import svgs_of
from moongate.report.evidence import Ancestry, Evidence, RunFacts, TrainingRecord
from moongate.report.galleries import (
    class_section,
    inversion_section,
    inverted_samples_section,
    lead_samples,
    lead_training,
    samples_section,
    subject_section,
)
from moongate.report.ledger import (
    inversion_metrics_section,
    judges_section,
    metrics_section,
    settings_views,
    stages_section,
)
from moongate.report.numbers import NO_VALUE, decimal, seconds
from moongate.report.style import report_style, shared_style
from moongate.report.verdict import judge
from moongate.report.views import Curve, Missing, OriginView, Page, TrainingSection
from moongate.report.wording import answers, headline, sentence
from moongate.runs import is_run_id

TEMPLATE = "report.html.j2"
EXAMPLE = "sample.guidance=5"


def build_page(evidence: Evidence, curves: Mapping[str, str] | None = None) -> Page:
    """Word, round and order everything that the page shows.

    Args:
        evidence: all of a run.
        curves: the SVG of each training curve by name, where they are drawn already.
    """
    run, verdict = evidence.run, judge(evidence.scores, evidence.run.gate)
    return Page(
        title=f"{run.subject} as “{run.identifier} {run.class_noun}”",
        run_id=run.run_id,
        meta=_meta(evidence),
        origin=_origin_view(run.ancestry) if run.ancestry else None,
        headline=headline(verdict, run),
        verdict=run.verdict,
        verdict_reason=sentence(run.verdict_reason),
        caveats=run.caveats,
        lead_training=lead_training(evidence),
        lead_samples=lead_samples(evidence),
        answers=answers(verdict, run),
        subject=subject_section(evidence),
        samples=samples_section(evidence),
        class_pictures=class_section(evidence),
        training=training_section(evidence, svgs_of(evidence.fit) if curves is None else curves),
        inversions=inversion_section(evidence),
        inversion_metrics=inversion_metrics_section(evidence),
        inverted_samples=inverted_samples_section(evidence),
        metrics=metrics_section(evidence),
        judges=judges_section(evidence),
        stages=stages_section(evidence),
        settings=settings_views(run.settings),
        versions=run.versions,
        commands=_commands(run),
    )


def render(page: Page) -> str:
    """`page` as HTML. Every value is escaped; only the package's own style sheet and curves are markup."""
    environment = Environment(
        loader=PackageLoader("moongate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["missing"] = lambda section: isinstance(section, Missing)
    environment.globals["no_value"] = NO_VALUE
    environment.filters["svg"] = lambda curve: Markup(curve.svg)
    style = Markup(shared_style() + report_style())
    return environment.get_template(TEMPLATE).render(page=page, style=style)


def training_section(evidence: Evidence, curves: Mapping[str, str]) -> TrainingSection | Missing:
    """Both curves and the reason for the step that was kept."""
    fit = evidence.fit
    if fit is None:
        return Missing("This run trained no adapter.")
    return TrainingSection(
        validation=_validation_view(fit, curves),
        loss=_loss_view(fit, curves),
        chosen_step=fit.chosen_step,
        reason=sentence(fit.reason),
        incidents=fit.incidents,
    )


def _validation_view(fit: TrainingRecord, curves: Mapping[str, str]) -> Curve | Missing:
    if not fit.validation:
        return Missing("There was no validation: the subject has no held-out pictures.")
    points = sorted(fit.validation, key=lambda point: point.step)
    best = min(points, key=lambda point: point.loss)
    first, last = points[0], points[-1]
    alt = (
        f"Held-out loss from {decimal(first.loss, 4)} at step {first.step} "
        f"to {decimal(last.loss, 4)} at step {last.step}, "
        f"lowest {decimal(best.loss, 4)} at step {best.step}; step {fit.chosen_step} kept."
    )
    note = "Same noise and timesteps at every point, so the points differ by the weights alone."
    return Curve("Validation", curves["validation"], alt, note)


def _loss_view(fit: TrainingRecord, curves: Mapping[str, str]) -> Curve | Missing:
    if not fit.steps:
        return Missing("No training steps were recorded.")
    first, last = fit.steps[0], fit.steps[-1]
    alt = (
        f"Training loss on the subject's pictures: {decimal(first.instance_loss, 4)} at step {first.step}, "
        f"{decimal(last.instance_loss, 4)} at step {last.step}."
    )
    note = "Each step draws its own timesteps, so single steps scatter; the bold line is their running mean."
    return Curve("Training loss", curves["loss"], alt, note)


def _meta(evidence: Evidence) -> tuple[str, ...]:
    run, stages = evidence.run, evidence.stages
    took = seconds((run.finished_at - run.started_at).total_seconds())
    cached = f"{sum(fact.cached for fact in stages)} of {len(stages)} steps cached"
    return (
        f"run {run.run_id}",
        f"{run.started_at:%d %B %Y, %H:%M} UTC",
        f"took {took}",
        *((cached,) if stages else ()),
        f"base model {run.base_model}",
        f"seed {run.seed}",
    )


def _origin_view(ancestry: Ancestry) -> OriginView:
    # Only what has the form of a run's id may become a part of an address.
    href = f"../{ancestry.parent}/report.html" if is_run_id(ancestry.parent) else ""
    start = f"from {ancestry.from_stage} on" if ancestry.from_stage else ""
    forced = "that stage built a second time" if ancestry.forced else ""
    same = "" if ancestry.overrides or forced else "nothing changed"
    words = ", ".join(part for part in (start, forced, same) if part)
    return OriginView(ancestry.parent, href, words, ancestry.overrides)


def _commands(run: RunFacts) -> tuple[tuple[str, str], ...]:
    return (
        (
            "All of it; what the store holds is not computed again",
            f"moongate stage record --run {run.run_id}",
        ),
        (
            "From one stage on, with something changed",
            f"moongate stage sample --run {run.run_id} --set {EXAMPLE}",
        ),
        ("What it left behind", f"moongate show {run.run_id}"),
        ("All runs on one page, to sort, filter and compare", "moongate report --open"),
    )
