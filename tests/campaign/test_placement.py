"""Numbers beside dots: none covers another, or a dot, or leaves the drawing."""

from itertools import combinations

import numpy as np

from moongate.campaign.placement import Box, placed

ROOM = Box(150, 100, 150, 100)


def test_numbers_of_crowded_dots_cover_nothing_and_stay_in_the_drawing() -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    dots = [(float(x), float(y)) for x, y in generator.normal((150, 100), 12, size=(20, 2))]
    dots += [(0.0, 0.0), (300.0, 200.0), (300.0, 0.0), (0.0, 200.0)]
    centres = placed(dots, [(10.0, 8.0)] * len(dots), [3.5] * len(dots), ROOM)
    labels = [Box(x, y, 5, 4) for x, y in centres]
    assert not any(one.overlaps(other) for one, other in combinations(labels, 2))
    assert not any(label.overlaps(Box(x, y, 3.5, 3.5)) for label in labels for x, y in dots)
    assert all(ROOM.holds(label) for label in labels)


def test_a_lone_number_touches_its_dot_and_a_larger_mark_pushes_it_away() -> None:
    near, far = (placed([(100.0, 100.0)], [(8.0, 8.0)], [radius], ROOM)[0] for radius in (4.0, 10.0))
    assert near == (108.0, 108.0)
    assert far == (114.0, 114.0)


def test_where_nothing_is_free_a_number_stands_beside_its_dot_all_the_same() -> None:
    tiny = Box(0, 0, 1, 1)
    assert len(placed([(0.0, 0.0)] * 3, [(8.0, 8.0)] * 3, [4.0] * 3, tiny)) == 3
