import pytest

from moongate.campaign.recommendation import confirmed, margin, pareto_front, recommend
from moongate.config import GateConfig
from tests.campaign.outcome_material import outcome

SHORT = outcome("short", 0.40, 1.00, "underfit")
MIDDLE = outcome("middle", 0.80, 0.95, "good")
LONG = outcome("long", 0.90, 0.91, "good")
TOO_LONG = outcome("too long", 0.95, 0.60, "overfit")
BEATEN = outcome("beaten", 0.75, 0.92, "good")
UNMEASURED = outcome("unmeasured", None, None, "unknown")
FAILED = outcome("failed", 0.99, 0.99, "good", status="failed", error="Error: lost\n  where: here")
GATE = GateConfig()


def test_the_front_holds_what_nothing_else_beats_by_rising_subject_fidelity() -> None:
    front = pareto_front([TOO_LONG, BEATEN, MIDDLE, UNMEASURED, SHORT, LONG])
    assert [one.name for one in front] == ["short", "middle", "long", "too long"]


def test_two_equal_runs_are_both_on_the_front() -> None:
    twin = outcome("twin", 0.80, 0.95, "good")
    assert pareto_front([MIDDLE, twin]) == (MIDDLE, twin)


def test_the_good_setting_farthest_above_both_marks_is_recommended() -> None:
    found = recommend([SHORT, BEATEN, MIDDLE, LONG, TOO_LONG, UNMEASURED, FAILED], GATE)
    assert found is not None
    assert found.outcome == MIDDLE
    assert margin(MIDDLE, GATE) == pytest.approx(0.95 / 0.90)
    assert "3 good settings" in found.reason


def test_without_a_good_setting_the_nearest_one_is_named_and_called_what_it_is() -> None:
    found = recommend([SHORT, TOO_LONG], GATE)
    assert found is not None
    assert found.outcome == TOO_LONG
    assert "no setting is good; this one is overfit" in found.reason


def test_nothing_is_recommended_when_nothing_was_measured() -> None:
    assert recommend([UNMEASURED, FAILED], GATE) is None


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (outcome("middle", 0.78, 0.93, "good", seed=1), "seed 1 confirms it: good"),
        (outcome("middle", 0.50, 0.93, "underfit", seed=1), "seed 1 does not confirm it: underfit"),
        (
            outcome("middle", None, None, "", seed=1, status="failed", error="Error: lost\n  where: x"),
            "the run with seed 1 failed: Error: lost",
        ),
        (
            outcome("middle", None, None, "", seed=1, status="failed", error=""),
            "the run with seed 1 failed: it was interrupted",
        ),
    ],
)
def test_a_second_seed_confirms_or_does_not(second, words: str) -> None:
    first = recommend([MIDDLE], GATE)
    assert first is not None
    assert confirmed(first, second).confirmation.startswith(words)
