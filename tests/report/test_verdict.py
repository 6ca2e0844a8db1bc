"""The verdict: shares by their definitions, grades at their marks, doubt where the interval crosses one."""

from dataclasses import replace

import pytest

from moongate.config import GateConfig
from moongate.report.verdict import Finding, Verdict, judge
from tests.run_material import summary_row

GATE = GateConfig()


def scores(*, real: float, base: float, tuned: float, prompt: float = 0.3, pres: float = 0.4):
    return (
        summary_row("subject_fidelity.identity", "real", real),
        summary_row("subject_fidelity.identity", "base", base),
        summary_row("subject_fidelity.identity", "tuned", tuned),
        summary_row("prompt_fidelity.clip_class_noun", "base", 0.3),
        summary_row("prompt_fidelity.clip_class_noun", "tuned", prompt),
        summary_row("class_resemblance.identity", "base", 0.4),
        summary_row("class_resemblance.identity", "tuned", pres),
    )


def findings(verdict: Verdict) -> tuple[Finding, ...]:
    return verdict.learned, verdict.follows, verdict.drifted


@pytest.mark.parametrize(("tuned", "grade"), [(0.9, "yes"), (0.7, "yes"), (0.5, "partly"), (0.2, "no")])
def test_learning_is_graded_by_the_way_gone_from_base_to_real(tuned: float, grade: str) -> None:
    learned = judge(scores(real=1.0, base=0.0, tuned=tuned), GATE).learned
    assert learned.share == pytest.approx(tuned)
    assert learned.grade == grade


@pytest.mark.parametrize(("prompt", "grade"), [(0.3, "yes"), (0.25, "partly"), (0.15, "no"), (0.33, "yes")])
def test_following_is_graded_by_what_is_kept_of_the_base_models_score(prompt: float, grade: str) -> None:
    follows = judge(scores(real=1.0, base=0.0, tuned=0.9, prompt=prompt), GATE).follows
    assert follows.share == pytest.approx(prompt / 0.3)
    assert follows.grade == grade


@pytest.mark.parametrize(("pres", "grade"), [(0.35, "yes"), (0.4, "yes"), (0.6, "partly"), (0.95, "no")])
def test_drift_is_graded_by_the_way_gone_from_class_to_subject(pres: float, grade: str) -> None:
    drifted = judge(scores(real=1.0, base=0.0, tuned=0.9, pres=pres), GATE).drifted
    assert drifted.share == pytest.approx((pres - 0.4) / 0.6)
    assert drifted.grade == grade


def test_an_interval_over_a_mark_is_not_certain() -> None:
    assert not judge(scores(real=1.0, base=0.0, tuned=0.705), GATE).learned.certain
    assert judge(scores(real=1.0, base=0.0, tuned=0.8), GATE).learned.certain


def test_the_marks_are_those_of_the_gate() -> None:
    strict = GateConfig(min_fidelity=0.95, min_prompt_fidelity=0.99, max_class_drift=0.01)
    seen = scores(real=1.0, base=0.0, tuned=0.9, prompt=0.28, pres=0.42)
    assert [one.grade for one in findings(judge(seen, GATE))] == ["yes", "yes", "yes"]
    assert [one.grade for one in findings(judge(seen, strict))] == ["partly", "partly", "no"]


def test_without_an_interval_it_is_not_said_how_sure_the_answer_is() -> None:
    bare = [
        replace(row, low=None, high=None, interval="none") for row in scores(real=1.0, base=0.0, tuned=0.8)
    ]
    assert judge(bare, GATE).learned.certain is None


def test_without_distance_to_close_there_is_no_grade() -> None:
    assert judge(scores(real=0.5, base=0.5, tuned=0.6), GATE).learned.grade == "unknown"
    assert judge(scores(real=0.4, base=0.5, tuned=0.6), GATE).learned.grade == "unknown"


def test_without_scores_every_finding_is_unknown_and_says_what_is_missing() -> None:
    verdict = judge((), GATE)
    for finding in (verdict.learned, verdict.follows, verdict.drifted):
        assert finding.grade == "unknown"
        assert "has no value for" in finding.missing
