"""A campaign on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from flows.terminal import seconds
from moongate.campaign.members import Member
from moongate.campaign.outcomes import Outcome
from moongate.campaign.record import Campaign
from moongate.errors import MoongateError
from moongate.report.numbers import percent

STYLES = {"good": "green", "underfit": "yellow", "overfit": "yellow", "collapsed": "red", "failed": "red"}


def print_campaign(screen: Console, campaign: Campaign, folder: Path) -> None:
    """Print how every member went, what is recommended, and where the pictures are."""
    screen.print()
    screen.print(outcome_table(campaign.outcomes), "")
    for failed in campaign.failed:
        screen.print(f"{failed.name}: {failed.error}", "", style="red", markup=False, highlight=False)
    for remark in campaign.remarks:
        screen.print(remark, markup=False, highlight=False)
    if (recommended := campaign.recommendation) is not None:
        screen.print(recommended.advice, markup=False, highlight=False)
        screen.print(recommended.confirmation, "", markup=False, highlight=False)
    screen.print(f"{campaign.kind}  {campaign.campaign_id}: {campaign.summary}", highlight=False)
    screen.print(f"pictures  {folder}", highlight=False, soft_wrap=True)


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one row per member: its two fidelities, its verdict, what it cost."""
    table = Table(Column("", no_wrap=True), box=None)
    for title in ("subject fidelity", "prompt fidelity", "class drift"):
        table.add_column(title, justify="right")
    for title in ("verdict", "built", "time", "run"):
        table.add_column(title, no_wrap=True)
    for one in outcomes:
        word = one.verdict or one.status
        shares = (one.fidelity, one.prompt_fidelity, one.class_drift)
        table.add_row(
            one.name,
            *map(percent, shares),
            Text(word, style=STYLES.get(word, "default")),
            str(one.built),
            seconds(one.wall_s),
            one.run_id or "",
        )
    return table


def member_table(members: Sequence[Member], plans: Sequence[tuple[int, int] | MoongateError]) -> Table:
    """Return what a campaign would do: how much of each member the store has, or what is wrong with it."""
    table = Table("", "cached", "", box=None)
    for member, plan in zip(members, plans, strict=True):
        if isinstance(plan, MoongateError):
            table.add_row(member.name, "", f"{plan.what}; {plan.fix}", style="red")
        else:
            table.add_row(member.name, f"{plan[0]} of {plan[1]}", "")
    return table
