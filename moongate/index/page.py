"""The index: the runs of a store in, one HTML page out, with its pictures made on the way."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from moongate.artifacts.store import Store
from moongate.campaign.record import list_campaigns
from moongate.index.campaigns import campaign_view, memberships
from moongate.index.comparison import Comparisons
from moongate.index.lineage import Lineage, Relative, lineage_of, replaced_runs
from moongate.index.pictures import PictureFolder
from moongate.index.readings import Readings
from moongate.index.rows import BADGES, SHORT_ID, Surroundings, badges_of, day_and_time, run_row
from moongate.index.views import BadgeCount, IndexPage, Link, RelativeView, RunRow
from moongate.report.numbers import percent
from moongate.report.style import shared_style
from moongate.runs import RunRecord, list_runs, runs_folder

TEMPLATE = "index.html.j2"


def build_index(store: Store, pictures: PictureFolder) -> IndexPage:
    """Read every run of the store, and word everything that the page shows.

    Runs whose record cannot be read are named, and nothing more is said of them.
    """
    runs, campaigns = list_runs(store.root), list_campaigns(store.root)
    known, lineage = {run.run_id: run for run in runs}, lineage_of(runs)
    around = Surroundings(
        store.root, frozenset(known), lineage.children, memberships(campaigns), replaced_runs(runs)
    )
    readings, comparisons = Readings(store), Comparisons()
    rows = []
    for run in runs:
        rows.append(run_row(run, readings, pictures, around))
        drawn, fit = readings.drawn(run), readings.fit(run)
        comparisons.add(
            run,
            rows[-1],
            readings.scores(run),
            pictures.album(drawn) if drawn else None,
            min((point.loss for point in fit.validation), default=None) if fit else None,
        )
    subjects = tuple(sorted({row.subject for row in rows}))
    return IndexPage(
        title=_title(len(rows), len(subjects)),
        meta=_meta(),
        rows=tuple(rows),
        subjects=subjects,
        badges=_badge_counts(rows),
        campaigns=tuple(campaign_view(store.root, campaign, known) for campaign in campaigns),
        families=_families(lineage),
        unreadable=_unreadable(store, known),
        confidence=_confidence(runs),
        comparison=comparisons.as_json(),
    )


def render(page: IndexPage) -> str:
    """Return `page` as HTML. Every value is escaped; only the package's own style and script are not.

    The page's policy lets nothing else run: no other script, no other style, nothing from another place.
    """
    environment = Environment(
        loader=PackageLoader("moongate.index"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = shared_style() + _file("index.css"), _file("index.js")
    return environment.get_template(TEMPLATE).render(
        page=page,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _file(name: str) -> str:
    return resources.files("moongate.index").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _title(runs: int, subjects: int) -> str:
    if not runs:
        return "No runs yet"
    return (
        f"{runs} {'run' if runs == 1 else 'runs'} of {subjects} {'subject' if subjects == 1 else 'subjects'}"
    )


def _meta() -> tuple[str, ...]:
    return (f"made {datetime.now(UTC):%d %B %Y, %H:%M} UTC".replace("made 0", "made "), "times are UTC")


def _badge_counts(rows: Sequence[RunRow]) -> tuple[BadgeCount, ...]:
    """Return the badges in their order; one that a run wears beside its verdict is a part of its own."""
    counts = Counter(badge for row in rows for badge in row.badges)
    total, start, found = max(1, counts.total()), 0, []
    for badge in (badge for badge in BADGES if counts[badge]):
        width = round(1000 * counts[badge] / total)
        found.append(BadgeCount(badge, counts[badge], start, width))
        start += width
    return tuple(found)


def _families(lineage: Lineage) -> tuple[tuple[RelativeView, ...], ...]:
    return tuple(tuple(_relative(one) for one in family) for family in lineage.families)


def _relative(one: Relative) -> RelativeView:
    run, started = one.run, datetime.fromisoformat(one.run.started_utc)
    words = f"from {run.from_stage} on" if one.depth and run.from_stage else ""
    link = Link(f"{run.config.subject.name} {run.run_id[-SHORT_ID:]}", f"#{run.run_id}")
    overrides = run.overrides if one.depth else ()
    return RelativeView(link, one.depth, badges_of(run), words, overrides, day_and_time(started))


def _unreadable(store: Store, known: dict[str, RunRecord]) -> tuple[str, ...]:
    folders = (path.parent.name for path in runs_folder(store.root).glob("r*/run.json"))
    return tuple(sorted(name for name in folders if name not in known))


def _confidence(runs: Sequence[RunRecord]) -> str:
    levels = sorted({run.config.evaluate.confidence for run in runs})
    return " or ".join(percent(level) for level in levels)
