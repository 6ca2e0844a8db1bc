"""Which setting of a sweep to take, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from moongate.campaign.chance import as_good, margin
from moongate.campaign.outcomes import Outcome
from moongate.config import GateConfig
from moongate.report.numbers import percent, seconds, whole

_WORDS = ("good", "underfit", "overfit", "collapsed", "unknown")
NOTHING_TO_CONFIRM = "no good setting to confirm"


@dataclass(frozen=True)
class Recommendation:
    """The setting to take; or, when none is good, the one that comes nearest.

    Attributes:
        outcome: of its run.
        reason: why this one, a sentence.
        confirmation: what a second seed says of it, a sentence; empty when none was asked yet.
        second: what came of the run with the second seed; None when there was none.
    """

    outcome: Outcome
    reason: str
    confirmation: str = ""
    second: Outcome | None = None

    @property
    def good(self) -> bool:
        """Whether the setting can be taken; otherwise it only comes nearest."""
        return self.outcome.good


def pareto_front(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return the outcomes that no other one beats: none is as good in both fidelities and better in one.

    Left out are those without measured fidelities, failed runs, and collapsed ones, which draw one picture
    over and over and may score anything. The others come in order of rising subject fidelity.
    """
    able = [one for one in outcomes if not one.failed and one.verdict != "collapsed"]
    points = [one.fidelities for one in able if one.fidelities is not None]
    front = [
        one
        for one in able
        if one.fidelities is not None and not any(_beats(point, one.fidelities) for point in points)
    ]
    return tuple(sorted(front, key=lambda outcome: outcome.fidelities or (0.0, 0.0)))


def same_results(outcomes: Sequence[Outcome]) -> tuple[tuple[Outcome, ...], ...]:
    """Return the outcomes by result: those that are one result under several names are together.

    Failed runs are left out; a run whose result is not known is one by itself.
    """
    groups: dict[str, list[Outcome]] = {}
    for number, one in enumerate(outcomes):
        if not one.failed:
            groups.setdefault(one.result or str(number), []).append(one)
    return tuple(tuple(group) for group in groups.values())


def recommend(outcomes: Sequence[Outcome], gate: GateConfig) -> Recommendation | None:
    """Return the cheapest of the good settings that are as good as the best one; None when all runs failed.

    The best one has the greatest margin to the gate's two marks: the smaller of subject fidelity and prompt
    fidelity, each over its mark, so that neither is bought with the other. Of several runs the one with the
    greatest figure is partly the luckiest. So a setting counts as good as the best when chance explains the
    difference (`moongate.campaign.chance.as_good`), and of those the one that costs least is taken: fewest
    training steps, then least time to build. Choosing the simplest among what cannot be told from the best
    is the one-standard-error rule of Breiman, Friedman, Olshen and Stone ("Classification and Regression
    Trees", 1984, section 3.4.3), here on paired differences.

    When no setting is good, the nearest is named with what its verdict says: underfit, which more training
    may mend, before overfit, collapsed and unknown; within one word by the margin.
    """
    ended = [outcome for outcome in outcomes if not outcome.failed]
    if not ended:
        return None
    if not (good := [outcome for outcome in ended if outcome.good]):
        nearest = min(ended, key=lambda one: (_rank(one), -margin(one, gate)))
        return Recommendation(nearest, _none_good(nearest), NOTHING_TO_CONFIRM)
    best = max(good, key=lambda outcome: margin(outcome, gate))
    level = [one for one in good if one is best or as_good(one, best, gate)]
    taken = min(level, key=_cost)
    return Recommendation(taken, f"{_why(taken, level, good)}: {shares(taken)}")


def confirmed(recommendation: Recommendation, second: Outcome) -> Recommendation:
    """Return the recommendation with what a second seed says of the same setting: good again, or not."""
    if second.failed:
        why = second.error.strip().partition("\n")[0] or "it was interrupted"
        said = f"the run with seed {second.seed} failed: {why}"
    elif second.good:
        said = f"seed {second.seed} confirms it: good, {shares(second)}"
    else:
        word = second.verdict or "not judged"
        said = f"seed {second.seed} does not confirm it: {word}, {second.reason or shares(second)}"
    return replace(recommendation, confirmation=said, second=second)


def remarks(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return what a reader of a sweep's table has to know, a sentence each: which rows are one result."""
    groups = [group for group in same_results(outcomes) if len(group) > 1]
    return tuple(f"{_listed(group)} gave the same result{_kept(group)}" for group in groups)


def shares(outcome: Outcome) -> str:
    """Return both fidelities in words, each with its interval where there is one."""
    subject = _figure(outcome.fidelity, outcome.fidelity_low, outcome.fidelity_high)
    prompt = _figure(outcome.prompt_fidelity, outcome.prompt_fidelity_low, outcome.prompt_fidelity_high)
    return f"subject fidelity {subject}, prompt fidelity {prompt}"


def _why(taken: Outcome, level: Sequence[Outcome], good: Sequence[Outcome]) -> str:
    if len(good) == 1:
        return "it is the only good setting"
    distinct, alike = len(same_results(good)), len(same_results(level))
    different = f" with {distinct} different results" if distinct < len(good) else ""
    of = f"of {len(good)} good settings{different}"
    if distinct == 1:
        return f"all {len(good)} good settings gave one result, and this one costs least{_price(taken)}"
    if alike == 1:
        cheapest = f", and costs least of those with this result{_price(taken)}" if len(level) > 1 else ""
        return f"{of} it is farthest above both marks{cheapest}"
    count = "all" if alike == distinct else str(alike)
    return f"{of} {count} are as good within what chance explains, and this one costs least{_price(taken)}"


def _none_good(nearest: Outcome) -> str:
    why = f"{nearest.verdict or 'not judged'}, {nearest.reason or shares(nearest)}"
    if nearest.fidelities is None:
        return f"no setting can be recommended, for none could be judged; {nearest.name}: {why}"
    return f"no setting is good; {nearest.name} comes nearest: {why}"


def _rank(outcome: Outcome) -> int:
    return _WORDS.index(outcome.verdict) if outcome.verdict in _WORDS else len(_WORDS)


def _cost(outcome: Outcome) -> tuple[float, float]:
    steps, took = outcome.train_steps, outcome.build_s
    return (float("inf") if steps is None else steps, float("inf") if took is None else took)


def _price(outcome: Outcome) -> str:
    steps = [f"{whole(outcome.train_steps)} training steps"] if outcome.train_steps is not None else []
    took = [seconds(outcome.build_s)] if outcome.build_s else []
    return f" ({', '.join((*steps, *took))})" if steps or took else ""


def _figure(share: float | None, low: float | None, high: float | None) -> str:
    span = f" [{percent(low)} to {percent(high)}]" if low is not None and high is not None else ""
    return f"{percent(share)}{span}"


def _listed(group: Sequence[Outcome]) -> str:
    *names, last = (one.name for one in group)
    return f"{', '.join(names)} and {last}"


def _kept(group: Sequence[Outcome]) -> str:
    step = group[0].kept_step
    return "" if step is None else f": each kept the weights of step {step}"


def _beats(theirs: tuple[float, float], own: tuple[float, float]) -> bool:
    return theirs != own and all(a >= b for a, b in zip(theirs, own, strict=True))
