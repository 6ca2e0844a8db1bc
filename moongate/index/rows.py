"""One run as a row of the page: its badges, its reason, its figures, its curve, where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from moongate.index.pictures import PictureFolder
from moongate.index.readings import Fit, Readings
from moongate.index.shapes import bar, spark
from moongate.index.views import Link, Membership, Origin, RunRow, ShareCell, TrainingCell
from moongate.report.numbers import NO_VALUE, decimal, percent, seconds
from moongate.report.verdict import Finding, Verdict, judge
from moongate.report.wording import sentence
from moongate.runs import VERBS, RunRecord, is_run_id, run_folder

BADGES = (
    "good",
    "underfit",
    "overfit",
    "collapsed",
    "unknown",
    "not judged",
    "running",
    "interrupted",
    "failed",
)
"""Every badge, best first: a run's verdict, and how it ended when it did not end well."""

SHORT_ID = 4


@dataclass(frozen=True)
class Surroundings:
    """What a row says of other runs.

    Attributes:
        root: of the store; a report is linked when it is there.
        known: ids of all runs on the page.
        children: of each run, the ids of those that repeat it.
        memberships: of each run, the campaigns that it was a member of.
        replaced: ids of the runs in whose place a later one was completed.
    """

    root: Path
    known: frozenset[str]
    children: Mapping[str, Sequence[str]]
    memberships: Mapping[str, tuple[Membership, ...]]
    replaced: frozenset[str]


def run_row(run: RunRecord, readings: Readings, pictures: PictureFolder, around: Surroundings) -> RunRow:
    """Word everything that the page says of `run`, and make its pictures."""
    verdict, started = judge(readings.scores(run), run.config.gate), datetime.fromisoformat(run.started_utc)
    portrait, drawn = readings.portrait(run), readings.drawn(run)
    album = pictures.album(drawn) if drawn else None
    return RunRow(
        run_id=run.run_id,
        subject=run.config.subject.name,
        when=day_and_time(started),
        when_iso=run.started_utc,
        short_id=run.run_id[-SHORT_ID:],
        base=run.config.base.model,
        report=_report(run, around.root),
        portrait=pictures.portrait(portrait) if portrait else None,
        strip=album.strip if album else None,
        badges=badges_of(run),
        reason=_reason(run, run.run_id in around.replaced),
        detail=run.error if run.error and "\n" in run.error.strip() else "",
        shares=_shares(verdict),
        training=_training(readings.fit(run)),
        took=NO_VALUE if (took := wall_s(run)) is None else seconds(took),
        built=_built(run),
        origin=_origin(run, around.known),
        repeated_by=tuple(link_to(child) for child in around.children.get(run.run_id, ())),
        memberships=around.memberships.get(run.run_id, ()),
    )


def badges_of(run: RunRecord) -> tuple[str, ...]:
    """Return the verdict of a run, and its state when that is not plainly "completed"."""
    state = () if run.status == "completed" else (run.status,)
    verdict = (run.verdict,) if run.verdict else ()
    return (*verdict, *state) or ("not judged",)


def wall_s(run: RunRecord) -> float | None:
    """Return how long a run took in seconds; None when it was killed, for then nobody noted its end."""
    return run.wall_s if run.ended_utc or run.status == "running" else None


def day_and_time(moment: datetime) -> str:
    """Return a moment as `2 Jan 2026, 03:04`."""
    return f"{moment:%d %b %Y, %H:%M}".lstrip("0")


def link_to(run_id: str) -> Link:
    """Return a link to a run's row, called by the end of its id."""
    return Link(run_id[-SHORT_ID:], f"#{run_id}")


def _report(run: RunRecord, root: Path) -> str:
    there = (run_folder(root, run.run_id) / "report.html").is_file()
    return f"runs/{run.run_id}/report.html" if there else ""


def _reason(run: RunRecord, is_replaced: bool) -> str:  # noqa: FBT001 - a fact about the run
    done = [entry.stage for entry in run.current()]
    if run.error:
        return run.error.strip().splitlines()[0]
    if run.status == "running":
        return (
            f"Running; the last stage that ended is {done[-1]}."
            if done
            else "Running; no stage has ended yet."
        )
    if run.status == "interrupted":
        where = f"after {done[-1]}" if done else "before its first stage was done"
        return f"It was stopped {where}{'' if is_replaced else '; the same command goes on from there'}."
    if run.verdict_reason:
        return sentence(run.verdict_reason)
    if run.until not in ("evaluate", "record"):
        return f"It was to end after {run.until}."
    return ""


def _shares(verdict: Verdict) -> tuple[ShareCell, ...]:
    cells = (
        ("Subject fidelity", verdict.learned),
        ("Prompt kept", verdict.follows),
        ("Class drift", verdict.drifted),
    )
    return tuple(_share(*cell) for cell in cells) if any(found.tuned for _, found in cells) else ()


def _share(label: str, finding: Finding) -> ShareCell:
    if finding.grade == "unknown":
        return ShareCell(label, "", "", bar(finding))
    has_interval = finding.tuned is not None and finding.tuned.low is not None
    spread = f"{percent(finding.low)} to {percent(finding.high)}" if has_interval else ""
    return ShareCell(label, percent(finding.share), spread, bar(finding))


def _training(fit: Fit | None) -> TrainingCell | None:
    if fit is None:
        return None
    if not fit.validation:
        return TrainingCell(None, "There was no validation.", f"step {fit.kept_step}")
    first, best = fit.validation[0], min(fit.validation, key=lambda point: point.loss)
    words = (
        f"Held-out loss from {decimal(first.loss, 4)} at step {first.step} to its lowest, "
        f"{decimal(best.loss, 4)}, at step {best.step}; step {fit.kept_step} kept."
    )
    kept = next((point.loss for point in fit.validation if point.step == fit.kept_step), best.loss)
    return TrainingCell(spark(fit.validation, fit.kept_step), words, f"{decimal(kept, 4)} at {fit.kept_step}")


def _built(run: RunRecord) -> str:
    entries = [entry for entry in run.current() if entry.stage != VERBS[-1]]
    return f"{sum(entry.cached for entry in entries)} of {len(entries)} cached" if entries else ""


def _origin(run: RunRecord, known: frozenset[str]) -> Origin | None:
    if run.parent is None:
        return None
    if run.parent in known:
        parent = link_to(run.parent)
    else:
        parent = Link(run.parent if is_run_id(run.parent) else "a run that is gone")
    words = f"from {run.from_stage} on" if run.from_stage else ""
    forced = "built a second time" if run.force else ""
    return Origin(parent, ", ".join(filter(None, (words, forced))), run.overrides)
