"""The three questions that a run answers, each from its own numbers and against declared marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from moongate.config import GateConfig
from moongate.metrics.rows import ModelRole, SummaryRow
from moongate.report.glossary import (
    CLASS_DIVERSITY,
    CLASS_RESEMBLANCE,
    PROMPT_FIDELITY,
    SUBJECT_FIDELITY,
    MetricGuide,
    guide_for,
)

Grade = Literal["yes", "partly", "no", "unknown"]


@dataclass(frozen=True)
class Mark:
    """Where an answer turns: `yes` from here on, `partly` from there on (shares; see `rising`)."""

    yes: float
    partly: float
    rising: bool

    def grade(self, share: float) -> Grade:
        """The grade of `share`; with `rising` more is better, otherwise less is."""
        sign = 1.0 if self.rising else -1.0
        if sign * share >= sign * self.yes:
            return "yes"
        return "partly" if sign * share >= sign * self.partly else "no"


@dataclass(frozen=True)
class Marks:
    """The marks of the three questions."""

    learned: Mark
    follows: Mark
    drifted: Mark

    @classmethod
    def of(cls, gate: GateConfig) -> Self:
        """The gate's own marks are the answers' `yes`.

        `partly` reaches to half of the subject fidelity that is asked for, five sixths of the prompt
        fidelity, and twice the drift that is allowed.
        """
        return cls(
            Mark(gate.min_fidelity, gate.min_fidelity / 2, rising=True),
            Mark(gate.min_prompt_fidelity, gate.min_prompt_fidelity * 5 / 6, rising=True),
            Mark(gate.max_class_drift, gate.max_class_drift * 2, rising=False),
        )


NO_REAL_PICTURES = (
    "there are no held-out pictures of the subject to compare with: put some of them into holdout/, the "
    "others into train/"
)
_BOTH: tuple[ModelRole, ModelRole] = ("base", "tuned")
SHORTEST_WAY = 1e-9
"""Scores nearer to each other than this leave no distance to close."""


@dataclass(frozen=True)
class Finding:
    """One answered question.

    Attributes:
        grade: unknown when a number is missing.
        mark: where the grade turns.
        share: what is judged.
        low, high: the interval of the tuned model's value on the same scale; the bounds are taken as exact.
        tuned, start, goal: the scores that `share` rests on.
        certain: whether the whole interval has the same grade; None when there is no interval.
        missing: why the grade is unknown.
    """

    grade: Grade
    mark: Mark
    share: float = 0.0
    low: float = 0.0
    high: float = 0.0
    tuned: SummaryRow | None = None
    start: SummaryRow | None = None
    goal: SummaryRow | None = None
    certain: bool | None = None
    missing: str = ""


@dataclass(frozen=True)
class Variety:
    """How different plain class pictures are from each other, by each model."""

    base: SummaryRow
    tuned: SummaryRow

    @property
    def fell(self) -> bool:
        """Whether the tuned model's interval lies below the base model's."""
        return self.tuned.high is not None and self.base.low is not None and self.tuned.high < self.base.low


@dataclass(frozen=True)
class Verdict:
    """The three findings of a run, and the variety of its class pictures where that was measured."""

    learned: Finding
    follows: Finding
    drifted: Finding
    variety: Variety | None = None


def judge(scores: Sequence[SummaryRow], gate: GateConfig) -> Verdict:
    """Answer the three questions from the summary rows of a run.

    - learned: (tuned - base) / (real - base) of subject fidelity, at least `gate.min_fidelity`;
    - follows: tuned / base of CLIP-T, at least `gate.min_prompt_fidelity`;
    - drifted: (tuned - base) / (real - base) of PRES, at most `gate.max_class_drift`, where real is the
      subject fidelity of the real pictures: the value at which the class would be nothing but the subject.
    """
    marks, real = Marks.of(gate), find(scores, SUBJECT_FIDELITY, "real")
    learned = _along(scores, SUBJECT_FIDELITY, real, marks.learned)
    drifted = _along(scores, CLASS_RESEMBLANCE, real, marks.drifted)
    before, after = (find(scores, CLASS_DIVERSITY, model) for model in _BOTH)
    variety = Variety(before, after) if before and after else None
    return Verdict(learned, _kept(scores, marks.follows), drifted, variety)


def find(scores: Sequence[SummaryRow], guide: MetricGuide, model: ModelRole) -> SummaryRow | None:
    """The first score of a metric family for `model` that has a value."""
    for score in scores:
        if score.model == model and score.value is not None and guide_for(score.metric) == guide:
            return score
    return None


def distance_closed(value: float, start: float, goal: float) -> float | None:
    """(value - start) / (goal - start): 0 at the base model, 1 at real pictures; None when they coincide."""
    return None if abs(goal - start) < SHORTEST_WAY else (value - start) / (goal - start)


def _along(scores: Sequence[SummaryRow], guide: MetricGuide, goal: SummaryRow | None, mark: Mark) -> Finding:
    tuned, start = find(scores, guide, "tuned"), find(scores, guide, "base")
    if tuned is not None and start is not None and goal is None:
        return Finding("unknown", mark, missing=NO_REAL_PICTURES)
    if tuned is None or start is None or goal is None:
        return _unknown(guide, mark, ("tuned", tuned), ("base", start), ("real", goal))
    way = _of(goal) - _of(start)
    if way < SHORTEST_WAY:
        return Finding("unknown", mark, missing="the base model already scores what real pictures score")
    ends = [(end - _of(start)) / way for end in _ends(tuned)]
    return _finding((_of(tuned) - _of(start)) / way, ends, mark, tuned, start, goal)


def _kept(scores: Sequence[SummaryRow], mark: Mark) -> Finding:
    tuned, start = find(scores, PROMPT_FIDELITY, "tuned"), find(scores, PROMPT_FIDELITY, "base")
    if tuned is None or start is None:
        return _unknown(PROMPT_FIDELITY, mark, ("tuned", tuned), ("base", start))
    if _of(start) <= 0:
        return Finding("unknown", mark, missing="the base model's own prompt fidelity is not above zero")
    ends = [end / _of(start) for end in _ends(tuned)]
    return _finding(_of(tuned) / _of(start), ends, mark, tuned, start, find(scores, PROMPT_FIDELITY, "real"))


def _finding(
    share: float,
    ends: Sequence[float],
    mark: Mark,
    tuned: SummaryRow,
    start: SummaryRow,
    goal: SummaryRow | None,
) -> Finding:
    grade = mark.grade(share)
    measured = tuned.low is not None and tuned.high is not None
    certain = all(mark.grade(end) == grade for end in ends) if measured else None
    return Finding(grade, mark, share, min(ends), max(ends), tuned, start, goal, certain)


def _unknown(guide: MetricGuide, mark: Mark, *found: tuple[str, SummaryRow | None]) -> Finding:
    absent = " and ".join(name for name, score in found if score is None)
    return Finding("unknown", mark, missing=f"{guide.label} has no value for: {absent}")


def _of(score: SummaryRow) -> float:
    if score.value is None:
        raise ValueError(f"{score.metric} of {score.model} has no value")
    return score.value


def _ends(score: SummaryRow) -> tuple[float, float]:
    low = _of(score) if score.low is None else score.low
    return low, _of(score) if score.high is None else score.high
