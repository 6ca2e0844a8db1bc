"""Which members of a large campaign are named and shown, where there is no room for all."""

from collections.abc import Iterable, Sequence

import numpy as np

from moongate.campaign.chance import margin
from moongate.campaign.outcomes import Outcome
from moongate.config import GateConfig


def featured(
    outcomes: Sequence[Outcome],
    chosen: Outcome | None,
    gate: GateConfig,
    front: Sequence[Outcome],
    limit: int,
) -> tuple[int, ...]:
    """Return the places of at most `limit` members, in order: all of them, or those that say the most.

    Those are the chosen one, the worst one, the Pareto front, and an even sample of the others. A front that
    is too long is sampled evenly too.
    """
    if len(outcomes) <= limit:
        return tuple(range(len(outcomes)))
    measured = [place for place, one in enumerate(outcomes) if one.fidelities is not None]
    best = {one.name for one in front}
    groups: tuple[Iterable[int], ...] = (
        [place for place, one in enumerate(outcomes) if chosen is not None and one.name == chosen.name],
        sorted(measured, key=lambda place: margin(outcomes[place], gate))[:1],
        [place for place in measured if outcomes[place].name in best],
        range(len(outcomes)),
    )
    taken: set[int] = set()
    for group in groups:
        left = [place for place in group if place not in taken]
        taken.update(evenly(left, limit - len(taken)))
    return tuple(sorted(taken))


def evenly(places: Sequence[int], count: int) -> list[int]:
    """Return `count` of `places` with even gaps, both ends among them; all when there are fewer."""
    if len(places) <= count:
        return list(places)
    return [places[round(at)] for at in np.linspace(0, len(places) - 1, count)] if count > 0 else []
