"""One word for how a personalization went, and the numbers behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from moongate.config import GateConfig
from moongate.errors import GateError
from moongate.metrics.rows import ModelRole, SummaryRow
from moongate.report.glossary import COPY, DIVERSITY, REFINED_GAP, SUBJECT_FIDELITY, MetricGuide, guide_for
from moongate.report.numbers import decimal, percent
from moongate.report.verdict import Verdict, find, judge

Word = Literal["good", "underfit", "overfit", "collapsed", "unknown"]


@dataclass(frozen=True)
class Diagnosis:
    """How a personalization went.

    Attributes:
        word: good; underfit (the subject is not learned), overfit (it is, at the cost of prompts, class or
            variety), collapsed (the model draws one picture over and over), or unknown.
        reasons: the numbers that decided it, a clause each.
    """

    word: Word
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The clauses as one line."""
        return "; ".join(self.reasons)


def diagnose(scores: Sequence[SummaryRow], gate: GateConfig) -> Diagnosis:
    """Name the result of a run from its summary rows.

    Where more items are lost than the gate allows, no word fits: what is missing might have spoken against
    it. Then what is graver comes first: a collapsed model may also fall short of the subject, and an underfit
    one has paid nothing yet for what it lacks. A good one says what nobody could look at.
    """
    verdict = judge(scores, gate)
    missing = tuple(one.missing for one in (verdict.learned, verdict.follows) if one.grade == "unknown")
    if missing:
        return Diagnosis("unknown", missing)
    if torn := tuple(_torn(scores, gate)):
        return Diagnosis("unknown", torn)
    losses = tuple(_losses(scores))
    if collapsed := tuple(_collapse(scores, gate)):
        return Diagnosis("collapsed", (*collapsed, *losses))
    if verdict.learned.share < gate.min_fidelity:
        return Diagnosis("underfit", (_learned(verdict, gate), *losses))
    if costs := tuple(_costs(verdict, scores, gate)):
        return Diagnosis("overfit", (*costs, *losses))
    unasked = tuple(_unasked(verdict, scores))
    return Diagnosis("good", (_learned(verdict, gate), _follows(verdict, gate), *losses, *unasked))


def check_gate(gate: GateConfig, diagnosis: Diagnosis) -> None:
    """Let a result pass.

    Raises:
        GateError: when the gate names its word.
    """
    if diagnosis.word in gate.fail_on:
        raise GateError(
            f"the gate does not let this result pass: it is {diagnosis.word}",
            where="gate.fail_on",
            why=diagnosis.reason,
            fix="look at the report; change the settings of the training, or what the gate asks for",
        )


def _torn(scores: Sequence[SummaryRow], gate: GateConfig) -> Iterator[str]:
    """Yield a clause when too much of what a figure rests on is lost."""
    worst = max(scores, key=lambda score: score.lost_share, default=None)
    if worst is not None and worst.lost_share > gate.max_lost:
        allowed = percent(gate.max_lost)
        yield f"{_loss(worst)}, more than the {allowed} allowed"


def _losses(scores: Sequence[SummaryRow]) -> Iterator[str]:
    """Yield a clause when figures rest on fewer items than they should."""
    worst = max(scores, key=lambda score: score.lost_share, default=None)
    if worst is not None and worst.lost:
        yield _loss(worst)


def _loss(score: SummaryRow) -> str:
    label = guide_for(score.metric).label
    return f"{label} of the {score.model} model lacks {score.lost} of {score.n + score.lost} items"


def _collapse(scores: Sequence[SummaryRow], gate: GateConfig) -> Iterator[str]:
    tuned, real = _value(scores, DIVERSITY, "tuned"), _value(scores, SUBJECT_FIDELITY, "real")
    if tuned is None or real is None:
        return
    # Pictures of one thing are alike; a model that knows it need not vary more than real pictures do.
    natural = 1.0 - real
    if tuned < gate.min_diversity * natural:
        kept, wanted = percent(tuned / natural), percent(gate.min_diversity)
        yield f"pictures of a prompt differ by {kept} of what real ones of the subject do, {wanted} wanted"


def _costs(verdict: Verdict, scores: Sequence[SummaryRow], gate: GateConfig) -> Iterator[str]:
    if verdict.follows.share < gate.min_prompt_fidelity:
        yield _follows(verdict, gate)
    drifted = verdict.drifted
    if drifted.grade != "unknown" and drifted.share > gate.max_class_drift:
        gone, allowed = percent(drifted.share), percent(gate.max_class_drift)
        yield f"the class went {gone} of the way to the subject, {allowed} allowed"
    copy, real = _value(scores, COPY, "tuned"), _value(scores, COPY, "real")
    if copy is not None and real is not None and copy - real > gate.max_copy:
        excess, allowed = decimal(copy - real), decimal(gate.max_copy)
        yield f"copy score {excess} above that of real pictures, {allowed} allowed"
    gap = _value(scores, REFINED_GAP, "tuned")
    if gap is not None and gap > gate.max_inversion_gap:
        allowed = decimal(gate.max_inversion_gap, 1)
        yield f"refined inversion loses {decimal(gap, 1)} dB, {allowed} dB allowed"


def _unasked(verdict: Verdict, scores: Sequence[SummaryRow]) -> Iterator[str]:
    """Yield a clause when a question was not asked, for its figures are not there."""
    figures = {
        "variety within a prompt": _value(scores, DIVERSITY, "tuned"),
        "the class": None if verdict.drifted.grade == "unknown" else verdict.drifted.share,
        "copies of training pictures": _value(scores, COPY, "tuned"),
        "inversion": _value(scores, REFINED_GAP, "tuned"),
    }
    if absent := [what for what, value in figures.items() if value is None]:
        yield f"not judged, for lack of figures: {', '.join(absent)}"


def _learned(verdict: Verdict, gate: GateConfig) -> str:
    wanted = percent(gate.min_fidelity)
    return f"subject fidelity {percent(verdict.learned.share)} of the way to real pictures, {wanted} wanted"


def _follows(verdict: Verdict, gate: GateConfig) -> str:
    wanted = percent(gate.min_prompt_fidelity)
    return f"prompt fidelity {percent(verdict.follows.share)} of the base model's, {wanted} wanted"


def _value(scores: Sequence[SummaryRow], guide: MetricGuide, model: ModelRole) -> float | None:
    score = find(scores, guide, model)
    return score.value if score else None
