import pickle

import pytest

from moongate import errors


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_an_error_says_what_where_why_and_what_next_even_after_crossing_a_process(kind):
    error = kind("it broke", where="the shelf", why="too heavy", fix="lift less")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) == "it broke\n  where: the shelf\n  why: too heavy\n  next: lift less"
    assert isinstance(copy, errors.MoongateError)
