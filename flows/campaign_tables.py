"""A campaign on the terminal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from flows.terminal import seconds
from moongate.campaign.labels import Labels, labels_of, numbered
from moongate.campaign.members import Member
from moongate.campaign.outcomes import Outcome
from moongate.campaign.record import Campaign
from moongate.errors import MoongateError
from moongate.report.numbers import percent

STYLES = {"good": "green", "underfit": "yellow", "overfit": "yellow", "collapsed": "red", "failed": "red"}
SHORT_ID = 4
GAP = 2


@dataclass(frozen=True)
class Figure:
    """A column that is never cut: its heading, and what it says of a member."""

    title: str
    of: Callable[[Outcome], str]
    is_number: bool = True


FIDELITIES = (
    Figure("fidelity", lambda one: percent(one.fidelity)),
    Figure("prompt", lambda one: percent(one.prompt_fidelity)),
)
DRIFT = Figure("drift", lambda one: percent(one.class_drift))
VERDICT = Figure("verdict", lambda one: one.verdict or one.status, is_number=False)
BUILT = Figure("built", lambda one: str(one.built))
TIME = Figure("time", lambda one: seconds(one.wall_s))
RUN = Figure("run", lambda one: one.run_id or "", is_number=False)
SHORT_RUN = Figure("run", lambda one: (one.run_id or "")[-SHORT_ID:], is_number=False)

FOR_LONG_NAMES = (*FIDELITIES, VERDICT, TIME, SHORT_RUN)
CHOICES = (
    (*FIDELITIES, DRIFT, VERDICT, BUILT, TIME, RUN),
    (*FIDELITIES, DRIFT, VERDICT, BUILT, TIME, SHORT_RUN),
    (*FIDELITIES, DRIFT, VERDICT, TIME, SHORT_RUN),
    FOR_LONG_NAMES,
    (*FIDELITIES, VERDICT, TIME),
)
"""What is told of each member, from the most to the least: the widest that fits is taken."""


def print_campaign(screen: Console, campaign: Campaign, folder: Path) -> None:
    """Print how every member went, what is recommended, and where the pictures are."""
    screen.print()
    screen.print(outcome_table(campaign.outcomes, screen.width), "")
    for failed in campaign.failed:
        line = f"{numbered(campaign.outcomes, failed)}: {failed.error}"
        screen.print(line, "", style="red", markup=False, highlight=False)
    for remark in campaign.remarks:
        screen.print(remark, markup=False, highlight=False)
    if (recommended := campaign.recommendation) is not None:
        take = f"take {numbered(campaign.outcomes, recommended.outcome)}: " if recommended.good else ""
        screen.print(f"{take}{recommended.reason}", markup=False, highlight=False)
        screen.print(recommended.confirmation, "", markup=False, highlight=False)
    screen.print(f"{campaign.kind}  {campaign.campaign_id}: {campaign.summary}", highlight=False)
    what = "pictures" if campaign.state == "finished" else "record"
    screen.print(f"{what}  {folder}", highlight=False, soft_wrap=True)


def outcome_table(outcomes: Sequence[Outcome], width: int) -> Table:
    """Return one row per member, at most `width` characters wide: number, name, fidelities, verdict, cost.

    A sweep has a column for each setting that differs. Where not all fits, the less important figures are
    left out, then the settings share a column; a name too long for its column goes on in the next line.
    """
    labels = labels_of(outcomes)
    for naming, figures in product((labels, _in_one_column(labels)), CHOICES):
        if _width(naming, figures, outcomes) <= width:
            return _table(naming, figures, outcomes)
    return _table(_in_one_column(labels), FOR_LONG_NAMES, outcomes)


def member_table(members: Sequence[Member], plans: Sequence[tuple[int, int] | MoongateError]) -> Table:
    """Return what a campaign would do: how much of each member the store has, or what is wrong with it."""
    table = Table("", "cached", "", box=None)
    for member, plan in zip(members, plans, strict=True):
        if isinstance(plan, MoongateError):
            table.add_row(member.name, "", f"{plan.what}; {plan.fix}", style="red")
        else:
            table.add_row(member.name, f"{plan[0]} of {plan[1]}", "")
    return table


def _in_one_column(labels: Labels) -> Labels:
    if len(labels.headings) == 1:
        return labels
    return Labels(("settings",), tuple((labels.name(index),) for index in range(len(labels.values))))


def _width(labels: Labels, figures: Sequence[Figure], outcomes: Sequence[Outcome]) -> int:
    """Return how wide a table would be if nothing in it was broken."""
    columns = [
        [str(len(outcomes))],
        *([title, *(row[place] for row in labels.values)] for place, title in enumerate(labels.headings)),
        *([figure.title, *map(figure.of, outcomes)] for figure in figures),
    ]
    return sum(max(Text(cell).cell_len for cell in column) + GAP for column in columns)


def _table(labels: Labels, figures: Sequence[Figure], outcomes: Sequence[Outcome]) -> Table:
    # Only names may be broken, so that on a narrow screen they give way and the figures stay whole.
    table = Table(Column("", justify="right", no_wrap=True), box=None)
    for title in labels.headings:
        table.add_column(title, overflow="fold")
    for figure in figures:
        table.add_column(figure.title, justify="right" if figure.is_number else "left", no_wrap=True)
    for number, (names, one) in enumerate(zip(labels.values, outcomes, strict=True), 1):
        table.add_row(str(number), *map(Text, names), *_cells(figures, one))
    return table


def _cells(figures: Sequence[Figure], one: Outcome) -> Iterator[Text]:
    for figure in figures:
        said = figure.of(one)
        yield Text(said, style=STYLES.get(said, "default") if figure is VERDICT else "default")
