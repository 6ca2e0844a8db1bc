"""The headline and the answers: what was measured is said with its number, what was not is not claimed."""

from datetime import UTC, datetime

import pytest

from moongate.config import GateConfig
from moongate.metrics.rows import SummaryRow
from moongate.report.evidence import RunFacts
from moongate.report.verdict import Verdict, judge
from moongate.report.wording import answers, headline
from tests.run_material import summary_row

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN = RunFacts("r1", "bolt", "duck", "sks", "a duck", "toybox", "d1", 0, 0.95, GateConfig(), NOON, NOON)
BOTH = (
    summary_row("subject_fidelity.identity", "base", 0.3),
    summary_row("subject_fidelity.identity", "tuned", 0.8),
    summary_row("prompt_fidelity.clip_class_noun", "base", 0.3),
    summary_row("prompt_fidelity.clip_class_noun", "tuned", 0.3),
)
REAL = summary_row("subject_fidelity.identity", "real", 0.9)
CLASS = (
    summary_row("class_resemblance.identity", "base", 0.3),
    summary_row("class_resemblance.identity", "tuned", 0.32),
)


def verdict(*rows: SummaryRow) -> Verdict:
    return judge(rows, GateConfig())


def test_without_held_out_pictures_the_headline_is_still_a_sentence_and_says_what_to_do() -> None:
    found = verdict(*BOTH)
    said = headline(found, RUN)
    assert said.startswith("Whether the model learned the subject was not measured, it still follows prompts")
    assert "put some of them into holdout/" in answers(found, RUN)[0].explanation


@pytest.mark.parametrize(("after", "said"), [(0.7, False), (0.3, True)])
def test_a_class_that_stayed_apart_but_varies_less_is_not_called_untouched(after: float, said: bool) -> None:
    varied = (
        summary_row("class_diversity.identity_cosine", "base", 0.72),
        summary_row("class_diversity.identity_cosine", "tuned", after),
    )
    found = verdict(*BOTH, REAL, *CLASS, *varied)
    assert headline(found, RUN).endswith(", though they vary less than before.") == said
    assert f"They differ from each other by {after:.3f}" in answers(found, RUN)[2].explanation
