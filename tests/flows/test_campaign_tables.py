"""The table of a campaign: whatever the width of the screen, no figure of it is lost."""

import re
from io import StringIO
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from flows.campaign_tables import outcome_table, print_campaign
from flows.terminal import seconds
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation
from moongate.campaign.record import Campaign, campaign_folder
from tests.campaign.outcome_material import outcome

RUN = "r20261122-054500-bolt_duck-00c5"
WIDTHS = (80, 100, 120)


def sweep(*keys: str) -> list[Outcome]:
    """Nine settings of two keys, or 3^n of n; every figure of them is another."""
    settings = [
        " ".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
        for values in product(("0.0001", "0.0005", "100"), repeat=len(keys))
    ]
    return [
        outcome(name, 0.31 + 0.01 * n, 0.11 + 0.01 * n, "underfit", wall_s=125.0 + n, run_id=RUN)
        for n, name in enumerate(settings)
    ]


def batch(name: str) -> list[Outcome]:
    return [
        outcome(f"{name}{n}", 0.31 + 0.01 * n, 0.11 + 0.01 * n, "collapsed", overrides="",
                wall_s=4000.0 + 60 * n, run_id=RUN)
        for n in range(4)
    ]  # fmt: skip


CAMPAIGNS = {
    "a sweep": sweep("train.steps", "train.learning_rate"),
    "a sweep of four settings": sweep("train.steps", "train.learning_rate", "sample.guidance", "train.seed"),
    "a batch": batch("bolt_duck_"),
    "a batch of long names": batch("the-grey-cat-of-the-neighbours-who-live-at-the-end-of-the-road-" * 2),
}


def drawn(outcomes: list[Outcome], width: int) -> list[str]:
    screen = Console(file=StringIO(), width=width)
    screen.print(outcome_table(outcomes, width))
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("outcomes", CAMPAIGNS.values(), ids=CAMPAIGNS)
def test_every_share_verdict_and_time_is_on_the_screen(outcomes: list[Outcome], width: int) -> None:
    lines = drawn(outcomes, width)
    assert all(len(line) <= width for line in lines)
    assert all(word in lines[0] for word in ("fidelity", "prompt", "verdict", "time"))
    rows = [line for line in lines[1:] if "%" in line]
    assert len(rows) == len(outcomes)
    for number, (row, one) in enumerate(zip(rows, outcomes, strict=True)):
        assert [f"{share}\u202f%" for share in (31 + number, 11 + number)] == re.findall(r"\d+\u202f%", row)[
            :2
        ]
        assert one.verdict in row
        assert seconds(one.wall_s) in row
        assert row.split()[0] == str(number + 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_sweep_has_a_column_for_each_setting_that_differs(width: int) -> None:
    shared = [
        outcome(f"{one.name} train.rank=4", 0.5, 0.5, "good", run_id=RUN)
        for one in sweep("train.steps", "prior.steps")
    ]
    heading, first, *_ = drawn(shared, width)
    assert heading.split()[:4] == ["train.steps", "prior.steps", "fidelity", "prompt"]
    assert first.split()[:3] == ["1", "0.0001", "0.0001"]


def test_the_whole_run_id_is_shown_where_there_is_room_and_its_end_where_there_is_not() -> None:
    assert RUN in "".join(drawn(CAMPAIGNS["a sweep"], 120))
    narrow = drawn(CAMPAIGNS["a sweep"], 80)
    assert RUN not in "".join(narrow)
    assert narrow[1].rstrip().endswith(RUN[-4:])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_name_that_is_too_long_goes_on_in_the_next_line(width: int) -> None:
    outcomes = CAMPAIGNS["a batch of long names"]
    lines = drawn(outcomes[:1], width)
    start = lines[0].index("subject")
    end = lines[0].index("fidelity") - 2
    assert "".join(line[start:end].strip() for line in lines[1:]) == outcomes[0].name


def test_what_is_recommended_and_what_failed_are_named_with_their_numbers() -> None:
    good, bad = (
        outcome("train.steps=1", 0.9, 0.9, "good"),
        outcome("train.steps=2", None, None, "", status="failed", error="no room"),
    )
    campaign = Campaign("sweep-20261122-100000-0001", "sweep", (good, bad), Recommendation(good, "the best"))
    screen = Console(file=StringIO(), width=80)
    print_campaign(screen, campaign, campaign_folder(Path("store"), campaign.campaign_id))
    assert isinstance(screen.file, StringIO)
    said = screen.file.getvalue()
    assert "take 1 train.steps=1: the best" in said
    assert "2 train.steps=2: no room" in said
