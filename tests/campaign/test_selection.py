"""Of ten thousand members those are shown that say the most."""

import numpy as np

from moongate.campaign.recommendation import pareto_front
from moongate.campaign.selection import evenly, featured
from moongate.config import GateConfig
from tests.campaign.outcome_material import outcome

GATE = GateConfig()


def test_all_are_shown_where_there_is_room() -> None:
    few = [outcome(str(n), None, None, "") for n in range(5)]
    assert featured(few, None, GATE, (), 5) == (0, 1, 2, 3, 4)


def test_the_chosen_one_the_front_and_the_worst_are_among_the_few() -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    shares = generator.uniform(0.3, 0.8, size=(2000, 2)).tolist()
    shares[77], shares[401], shares[902] = [0.9, 0.95], [0.95, 0.9], [0.01, 0.02]
    many = [outcome(str(n), *pair, "good") for n, pair in enumerate(shares)]
    front = pareto_front(many)
    shown = featured(many, many[1500], GATE, front, 30)
    assert len(shown) == len(set(shown)) == 30
    assert list(shown) == sorted(shown)
    assert {77, 401, 902, 1500} <= set(shown)
    assert max(np.diff(shown)) < 150


def test_a_front_that_is_too_long_is_sampled_evenly() -> None:
    many = [outcome(str(n), n / 100, 1 - n / 100, "good") for n in range(100)]
    shown = featured(many, None, GATE, many, 10)
    assert len(shown) == 10
    assert {0, 99} <= set(shown)


def test_an_even_sample_has_both_ends() -> None:
    assert evenly(range(100), 3)[0::2] == [0, 99]
    assert evenly([4, 5], 3) == [4, 5]
    assert evenly([4, 5], 0) == []
