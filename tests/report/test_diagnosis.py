"""The diagnosis: each failure of a personalization has its word, and its reason names the number."""

from dataclasses import replace

import pytest

from moongate.config import GateConfig
from moongate.errors import GateError
from moongate.metrics.rows import SummaryRow
from moongate.report.diagnosis import check_gate, diagnose
from tests.run_material import summary_row

GOOD = {
    ("subject_fidelity.identity", "real"): 0.9,
    ("subject_fidelity.identity", "base"): 0.3,
    ("subject_fidelity.identity", "tuned"): 0.8,
    ("prompt_fidelity.clip_class_noun", "base"): 0.5,
    ("prompt_fidelity.clip_class_noun", "tuned"): 0.48,
    ("class_resemblance.identity", "base"): 0.3,
    ("class_resemblance.identity", "tuned"): 0.35,
    ("diversity.identity_cosine", "base"): 0.4,
    ("diversity.identity_cosine", "tuned"): 0.2,
    ("copy.clip", "real"): 0.0,
    ("copy.clip", "tuned"): 0.02,
    ("inversion_gap_db.fixed_point", "tuned"): 0.01,
}


def scores(**tuned: float) -> tuple[SummaryRow, ...]:
    """Good scores, with the tuned model's values of some families changed."""
    changed = {
        (metric, model): tuned.get(metric.split(".")[0], value) if model == "tuned" else value
        for (metric, model), value in GOOD.items()
    }
    return tuple(summary_row(metric, model, value) for (metric, model), value in changed.items())


@pytest.mark.parametrize(
    ("tuned", "word", "reason"),
    [
        ({}, "good", "83"),
        ({"subject_fidelity": 0.6}, "underfit", "subject fidelity 50"),
        ({"prompt_fidelity": 0.4}, "overfit", "prompt fidelity 80"),
        ({"class_resemblance": 0.6}, "overfit", "class went 50"),
        ({"copy": 0.3}, "overfit", "copy score 0.300 above"),
        ({"inversion_gap_db": 2.0}, "overfit", "loses 2.0 dB"),
        ({"diversity": 0.02}, "collapsed", "20"),
        ({"diversity": 0.02, "subject_fidelity": 0.6}, "collapsed", "real ones"),
        ({"prompt_fidelity": 0.4, "subject_fidelity": 0.6}, "underfit", "subject fidelity 50"),
    ],
)
def test_each_failure_has_its_word_and_names_its_number(
    tuned: dict[str, float], word: str, reason: str
) -> None:
    diagnosis = diagnose(scores(**tuned), GateConfig())
    assert diagnosis.word == word
    assert reason in diagnosis.reason


def test_a_good_result_says_what_nobody_could_look_at() -> None:
    bare = [row for row in scores() if row.metric.split(".")[0] not in ("diversity", "copy")]
    diagnosis = diagnose(bare, GateConfig())
    assert diagnosis.word == "good"
    assert diagnosis.reason.endswith(
        "for lack of figures: variety within a prompt, copies of training pictures"
    )
    assert "lack" not in diagnose(scores(), GateConfig()).reason


def test_every_cost_of_an_overfit_model_is_named() -> None:
    diagnosis = diagnose(scores(prompt_fidelity=0.4, copy=0.3), GateConfig())
    assert len(diagnosis.reasons) == 2


def test_without_scores_the_result_is_unknown_and_says_why() -> None:
    diagnosis = diagnose((), GateConfig())
    assert diagnosis.word == "unknown"
    assert "has no value for" in diagnosis.reason


def with_losses(metric: str, lost: int) -> tuple[SummaryRow, ...]:
    return tuple(
        replace(row, lost=lost) if (row.metric.startswith(metric), row.model) == (True, "tuned") else row
        for row in scores()
    )


def test_a_few_lost_items_are_named_beside_the_result() -> None:
    diagnosis = diagnose(with_losses("copy", 1), GateConfig(max_lost=0.2))
    assert diagnosis.word == "good"
    assert diagnosis.reasons[-1] == "Copy score of the tuned model lacks 1 of 7 items"


@pytest.mark.parametrize("metric", ["subject_fidelity", "diversity", "inversion_gap_db"])
def test_where_too_much_is_lost_the_result_is_unknown_however_good_the_rest_is(metric: str) -> None:
    diagnosis = diagnose(with_losses(metric, 3), GateConfig(max_lost=0.2))
    assert diagnosis.word == "unknown"
    assert "lacks 3 of 9 items, more than the 20" in diagnosis.reason


def test_a_gate_lets_pass_what_it_does_not_name() -> None:
    overfit = diagnose(scores(prompt_fidelity=0.4), GateConfig())
    check_gate(GateConfig(), overfit)
    check_gate(GateConfig(fail_on=("collapsed",)), overfit)
    with pytest.raises(GateError, match="overfit"):
        check_gate(GateConfig(fail_on=("collapsed", "overfit")), overfit)
