from dataclasses import replace

import pytest

from moongate.campaign.chance import as_good, margin
from moongate.campaign.evidence import PromptShares
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import (
    NOTHING_TO_CONFIRM,
    confirmed,
    pareto_front,
    recommend,
    remarks,
    same_results,
)
from moongate.config import GateConfig
from tests.campaign.outcome_material import outcome

SHORT = outcome("short", 0.40, 1.00, "underfit", reason="subject fidelity 40 %, 70 % wanted")
MIDDLE = outcome("middle", 0.80, 0.95, "good")
LONG = outcome("long", 0.90, 0.91, "good")
TOO_LONG = outcome("too long", 0.95, 0.60, "overfit")
BEATEN = outcome("beaten", 0.75, 0.92, "good")
COLLAPSED = outcome("collapsed", 1.05, 1.00, "collapsed", reason="pictures of one prompt are alike")
UNMEASURED = outcome("unmeasured", None, None, "unknown", reason="there are no held-out pictures")
FAILED = outcome("failed", 0.99, 0.99, "good", status="failed", error="Error: lost\n  where: here")
GATE = GateConfig()
# So much prompt fidelity that subject fidelity alone decides.
PLENTY = 1.5


def asked(name: str, steps: int, fidelities: list[float], **more: object) -> Outcome:
    """A good run of so many steps with these subject fidelities on the first prompts."""
    rows = tuple(PromptShares(f"p{n}", 4, one, PLENTY) for n, one in enumerate(fidelities))
    mean = sum(fidelities) / len(fidelities)
    return outcome(name, mean, PLENTY, "good", train_steps=steps, by_prompt=rows, **more)


HARD_AND_EASY = [0.55, 0.60, 0.65, 0.75, 0.80, 0.90, 0.95, 1.00]


def test_the_front_holds_what_nothing_else_beats_by_rising_subject_fidelity() -> None:
    front = pareto_front([TOO_LONG, BEATEN, MIDDLE, UNMEASURED, SHORT, LONG])
    assert [one.name for one in front] == ["short", "middle", "long", "too long"]


def test_failed_and_collapsed_runs_are_not_on_the_front_and_beat_nobody() -> None:
    assert pareto_front([COLLAPSED, MIDDLE, FAILED]) == (MIDDLE,)


def test_two_equal_runs_are_both_on_the_front() -> None:
    twin = outcome("twin", 0.80, 0.95, "good")
    assert pareto_front([MIDDLE, twin]) == (MIDDLE, twin)


def test_the_good_setting_farthest_above_both_marks_is_recommended() -> None:
    found = recommend([SHORT, BEATEN, MIDDLE, LONG, TOO_LONG, UNMEASURED, FAILED], GATE)
    assert found is not None
    assert found.outcome == MIDDLE
    assert margin(MIDDLE, GATE) == pytest.approx(0.95 / 0.90)
    assert "of 3 good settings it is farthest above both marks" in found.reason
    assert found.good


def test_of_settings_that_chance_tells_apart_no_better_the_one_with_fewest_steps_is_taken() -> None:
    noise = [0.03, -0.04, 0.02, -0.01, 0.03, -0.02, 0.01, -0.01]
    best = asked("best", 400, [one + 0.005 for one in HARD_AND_EASY])
    level = asked("level", 100, [one + jitter for one, jitter in zip(HARD_AND_EASY, noise, strict=True)])
    found = recommend([best, level], GATE)
    assert found is not None
    assert found.outcome == level
    assert "all are as good within what chance explains" in found.reason
    assert "this one costs least (100 training steps" in found.reason


def test_a_setting_that_is_a_little_worse_on_every_prompt_is_worse_however_prompts_differ() -> None:
    best = asked("best", 400, HARD_AND_EASY, fidelity_low=0.65, fidelity_high=0.91)
    worse = asked("worse", 100, [one - 0.03 for one in HARD_AND_EASY])
    # Laid side by side, the interval of the best would hold the other's figure.
    assert best.fidelity_low is not None
    assert worse.fidelity is not None
    assert worse.fidelity > best.fidelity_low
    assert not as_good(worse, best, GATE)
    found = recommend([worse, best], GATE)
    assert found is not None
    assert found.outcome == best


def test_with_few_common_prompts_the_interval_of_the_best_decides() -> None:
    best = outcome("best", 0.90, PLENTY, "good", fidelity_low=0.80, fidelity_high=0.97, train_steps=400)
    within = outcome("within", 0.82, PLENTY, "good", train_steps=100)
    below = outcome("below", 0.78, PLENTY, "good", train_steps=50)
    found = recommend([best, within, below], GATE)
    assert found is not None
    assert found.outcome == within
    assert "2 are as good within what chance explains" in found.reason
    assert "subject fidelity 82" in found.reason


def test_with_equal_steps_the_time_to_build_decides() -> None:
    slow = outcome("slow", 0.80, 1.0, "good", train_steps=100, build_s=150.0)
    fast = outcome("fast", 0.80, 1.0, "good", train_steps=100, build_s=90.0)
    found = recommend([slow, fast], GATE)
    assert found is not None
    assert found.outcome == fast


def test_settings_that_gave_one_result_count_once_and_the_cheapest_of_them_is_taken() -> None:
    short, long = (
        replace(MIDDLE, name=f"{n} steps", train_steps=n, kept_step=100, result="a") for n in (100, 400)
    )
    other = replace(BEATEN, result="b", train_steps=50)
    assert same_results([long, other, short, FAILED]) == ((long, short), (other,))
    assert remarks([long, other, short]) == (
        "400 steps and 100 steps gave the same result: each kept the weights of step 100",
    )
    found = recommend([long, other, short], GATE)
    assert found is not None
    assert found.outcome == short
    assert "of 3 good settings with 2 different results it is farthest above both marks" in found.reason
    alone = recommend([long, short], GATE)
    assert alone is not None
    assert alone.outcome == short
    assert "all 2 good settings gave one result" in alone.reason


def test_runs_whose_result_is_not_known_are_never_called_the_same() -> None:
    assert same_results([MIDDLE, LONG]) == ((MIDDLE,), (LONG,))
    assert remarks([MIDDLE, LONG]) == ()


@pytest.mark.parametrize(
    ("outcomes", "nearest"),
    [
        ([COLLAPSED, TOO_LONG, SHORT, UNMEASURED], SHORT),
        ([UNMEASURED, COLLAPSED, TOO_LONG], TOO_LONG),
        ([UNMEASURED, COLLAPSED], COLLAPSED),
        ([outcome("farther", 0.2, 1.0, "underfit"), SHORT], SHORT),
    ],
)
def test_without_a_good_setting_none_is_to_be_taken_and_the_nearest_verdict_says_why(
    outcomes: list[Outcome], nearest: Outcome
) -> None:
    found = recommend(outcomes, GATE)
    assert found is not None
    assert (found.outcome, found.good) == (nearest, False)
    assert found.reason.startswith(f"no setting is good; {nearest.name} comes nearest: {nearest.verdict}, ")
    assert nearest.reason in found.reason
    assert found.confirmation == NOTHING_TO_CONFIRM


def test_when_none_could_be_judged_the_sentence_says_why() -> None:
    found = recommend([UNMEASURED, FAILED], GATE)
    assert found is not None
    assert found.reason.startswith("no setting can be recommended, for none could be judged")
    assert "there are no held-out pictures" in found.reason


def test_nothing_is_said_when_every_run_failed() -> None:
    assert recommend([FAILED], GATE) is None


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
def test_a_second_seed_confirms_or_does_not_and_is_kept(second: Outcome, words: str) -> None:
    first = recommend([MIDDLE], GATE)
    assert first is not None
    found = confirmed(first, second)
    assert found.confirmation.startswith(words)
    assert found.second == second
    assert found.outcome == MIDDLE
