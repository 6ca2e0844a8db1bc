"""Which setting of a sweep to take, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from moongate.campaign.outcomes import Outcome
from moongate.config import GateConfig
from moongate.report.numbers import percent


@dataclass(frozen=True)
class Recommendation:
    """The setting to take.

    Attributes:
        outcome: of its run.
        reason: why this one, a sentence.
        confirmation: what a second seed says of it, a sentence; empty when there was none.
    """

    outcome: Outcome
    reason: str
    confirmation: str = ""


def pareto_front(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return the outcomes that no other one beats: none is as good in both fidelities and better in one.

    Those without measured fidelities are left out; the others come in order of rising subject fidelity.
    """
    points = [outcome.fidelities for outcome in outcomes if outcome.fidelities is not None]
    front = [
        outcome
        for outcome in outcomes
        if outcome.fidelities is not None and not any(_beats(point, outcome.fidelities) for point in points)
    ]
    return tuple(sorted(front, key=lambda outcome: outcome.fidelities or (0.0, 0.0)))


def recommend(outcomes: Sequence[Outcome], gate: GateConfig) -> Recommendation | None:
    """Return the setting with the greatest margin to the gate's two marks; None when none was measured.

    The margin is the smaller of subject fidelity and prompt fidelity, each over its mark: so neither is
    bought with the other. Good results come before all others.
    """
    measured = [outcome for outcome in outcomes if outcome.fidelities is not None and not outcome.failed]
    if not measured:
        return None
    good = [outcome for outcome in measured if outcome.verdict == "good"]
    best = max(good or measured, key=lambda outcome: margin(outcome, gate))
    shares = f"subject fidelity {percent(best.fidelity)}, prompt fidelity {percent(best.prompt_fidelity)}"
    if good:
        of = (
            f"of {len(good)} good settings it is farthest above both marks"
            if len(good) > 1
            else ("it is the only good setting")
        )
        return Recommendation(best, f"{of}: {shares}")
    return Recommendation(
        best, f"no setting is good; this one is {best.verdict} and comes nearest to both marks: {shares}"
    )


def confirmed(recommendation: Recommendation, second: Outcome) -> Recommendation:
    """Return the recommendation with what a second seed says of the same setting."""
    first = recommendation.outcome
    shares = f"subject fidelity {percent(second.fidelity)}, prompt fidelity {percent(second.prompt_fidelity)}"
    if second.failed and not second.verdict:
        why = second.error.strip().partition("\n")[0] or "it was interrupted"
        said = f"the run with seed {second.seed} failed: {why}"
    elif second.verdict == first.verdict:
        said = f"seed {second.seed} confirms it: {second.verdict}, {shares}"
    else:
        said = f"seed {second.seed} does not confirm it: {second.verdict}, {shares}"
    return Recommendation(first, recommendation.reason, said)


def margin(outcome: Outcome, gate: GateConfig) -> float:
    """Return min(subject fidelity / its mark, prompt fidelity / its mark); 1 or more passes both."""
    shares, marks = outcome.fidelities or (0.0, 0.0), (gate.min_fidelity, gate.min_prompt_fidelity)
    return min(share / mark if mark else float("inf") for share, mark in zip(shares, marks, strict=True))


def _beats(theirs: tuple[float, float], own: tuple[float, float]) -> bool:
    return theirs != own and all(a >= b for a, b in zip(theirs, own, strict=True))
