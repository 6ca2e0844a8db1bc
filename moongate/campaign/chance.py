"""Whether one run of a campaign is better than another by more than the choice of prompts explains."""

import numpy as np
from numpy.typing import NDArray

from moongate.campaign.outcomes import Outcome
from moongate.config import GateConfig
from moongate.metrics.bootstrap import bootstrap_generator, expanded_tail, fewest_units

CONFIDENCE = 0.95
DRAWS = 2000


def margin(outcome: Outcome, gate: GateConfig) -> float:
    """Return min(subject fidelity / its mark, prompt fidelity / its mark); 1 or more passes both."""
    return _smaller_margin(outcome.fidelities or (0.0, 0.0), gate)


def as_good(other: Outcome, best: Outcome, gate: GateConfig) -> bool:
    """Tell whether chance explains by how much the margin of `best` is above that of `other`.

    Both were asked the same prompts with the same seeds, so they are compared prompt by prompt: prompts are
    redrawn `DRAWS` times, the same ones for both, and `other` is as good when the lower end of the
    difference's interval (`CONFIDENCE`, tails expanded for few prompts) is not above zero. What makes a
    prompt hard then cancels, which it does not when two intervals are laid side by side.

    Fewer than `fewest_units(CONFIDENCE)` common prompts cannot carry such an interval. Then the best one's
    own one decides: `other` is as good when its margin lies within it.
    """
    if margin(best, gate) == float("inf"):
        return True
    ours = {one.prompt_id: one for one in best.by_prompt}
    theirs = {one.prompt_id: one for one in other.by_prompt}
    common = sorted(ours.keys() & theirs.keys())
    if len(common) < fewest_units(CONFIDENCE):
        return margin(other, gate) >= _lower_margin(best, gate)
    drawn = bootstrap_generator(0, "margin").integers(len(common), size=(DRAWS, len(common)))
    difference = [
        _margins(np.array([(s.pictures, s.fidelity, s.prompt_fidelity) for s in shares]), drawn, gate)
        for shares in ([ours[name] for name in common], [theirs[name] for name in common])
    ]
    low = np.quantile(difference[0] - difference[1], expanded_tail(CONFIDENCE, len(common)))
    return bool(low <= 0.0)


def _margins(shares: NDArray[np.float64], drawn: NDArray[np.int64], gate: GateConfig) -> NDArray[np.float64]:
    """Return the margin of each draw, (draws,), of `shares`: (prompts, 3), pictures and two fidelities."""
    pictures = shares[drawn, 0]
    weight = pictures.sum(axis=1)
    fidelity = (shares[drawn, 1] * pictures).sum(axis=1) / weight
    prompt_fidelity = (shares[drawn, 2] * pictures).sum(axis=1) / weight
    return np.minimum(_over(fidelity, gate.min_fidelity), _over(prompt_fidelity, gate.min_prompt_fidelity))


def _over(share: NDArray[np.float64], mark: float) -> NDArray[np.float64]:
    return share / mark if mark else np.full_like(share, np.inf)


def _lower_margin(outcome: Outcome, gate: GateConfig) -> float:
    """Return the margin at the lower ends of both intervals; the margin itself where there are none."""
    fidelity, prompt_fidelity = outcome.fidelities or (0.0, 0.0)
    low = fidelity if outcome.fidelity_low is None else outcome.fidelity_low
    prompt_low = prompt_fidelity if outcome.prompt_fidelity_low is None else outcome.prompt_fidelity_low
    return _smaller_margin((low, prompt_low), gate)


def _smaller_margin(shares: tuple[float, float], gate: GateConfig) -> float:
    marks = (gate.min_fidelity, gate.min_prompt_fidelity)
    return min(share / mark if mark else float("inf") for share, mark in zip(shares, marks, strict=True))
