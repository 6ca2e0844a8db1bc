"""View models of the index: exactly what its template prints, already worded, rounded and ordered."""

from dataclasses import dataclass

from moongate.index.pictures import Still
from moongate.index.shapes import (
    BAR_WIDTH,
    PLOT_HEIGHT,
    PLOT_WIDTH,
    SPARK_HEIGHT,
    SPARK_WIDTH,
    Bar,
    Plot,
    Spark,
)


@dataclass(frozen=True)
class Link:
    """Words that lead somewhere; no `href` when there is nothing at the other end."""

    words: str
    href: str = ""


@dataclass(frozen=True)
class ShareCell:
    """One of the three shares of a run: `figure` with its interval, drawn and in words."""

    label: str
    figure: str
    interval: str
    bar: Bar


@dataclass(frozen=True)
class TrainingCell:
    """The validation curve, what it says in words, and the step that was kept."""

    spark: Spark | None
    words: str
    figure: str


@dataclass(frozen=True)
class Origin:
    """What a run repeats: the parent, from which stage on, and the settings that are not the parent's."""

    parent: Link
    words: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Membership:
    """A campaign that a run belongs to, and the settings that tell it from the other members."""

    campaign: Link
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class RunRow:
    """One run. `shares` is empty when it was not evaluated, and `reason` then says why."""

    run_id: str
    subject: str
    when: str
    when_iso: str
    short_id: str
    base: str
    report: str
    portrait: Still | None
    strip: Still | None
    badges: tuple[str, ...]
    reason: str
    detail: str
    shares: tuple[ShareCell, ...]
    training: TrainingCell | None
    took: str
    built: str
    origin: Origin | None
    repeated_by: tuple[Link, ...]
    memberships: tuple[Membership, ...]


@dataclass(frozen=True)
class BadgeCount:
    """How many runs wear a badge, and the part of all of them in permille, for the picture of it."""

    badge: str
    count: int
    start: int
    width: int


@dataclass(frozen=True)
class MemberRow:
    """One member of a campaign.

    Attributes:
        number: its place in the campaign, counted from 1.
        names: what tells it from the others, a part for each varied setting.
        run: leads to its row, and is empty when there is none.
        badge: its verdict or status.
        reason: the figures behind the verdict.
        fidelity: subject fidelity.
        prompt_fidelity: the share that is kept.
        error: what went wrong, a line.
        is_chosen: whether it is the one to take.
    """

    number: int
    names: tuple[str, ...]
    run: str
    badge: str
    reason: str
    fidelity: str
    prompt_fidelity: str
    error: str
    is_chosen: bool


@dataclass(frozen=True)
class CampaignView:
    """A batch or a sweep."""

    campaign_id: str
    title: str
    when: str
    summary: str
    recommendation: str
    confirmation: str
    plot: Plot | None
    plot_alt: str
    samples: str
    members: tuple[MemberRow, ...]


@dataclass(frozen=True)
class RelativeView:
    """A run in its family."""

    run: Link
    depth: int
    badges: tuple[str, ...]
    words: str
    overrides: tuple[str, ...]
    when: str


@dataclass(frozen=True)
class Sizes:
    """Sizes of the small drawings in CSS pixels."""

    spark_width: int = SPARK_WIDTH
    spark_height: int = SPARK_HEIGHT
    bar_width: int = BAR_WIDTH
    plot_width: int = PLOT_WIDTH
    plot_height: int = PLOT_HEIGHT


@dataclass(frozen=True)
class IndexPage:
    """The whole page. `comparison` is the JSON that the page's script compares runs with."""

    title: str
    meta: tuple[str, ...]
    rows: tuple[RunRow, ...]
    subjects: tuple[str, ...]
    badges: tuple[BadgeCount, ...]
    campaigns: tuple[CampaignView, ...]
    families: tuple[tuple[RelativeView, ...], ...]
    unreadable: tuple[str, ...]
    confidence: str
    comparison: object
    sizes: Sizes = Sizes()
