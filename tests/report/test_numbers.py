"""Numbers on the page read the same everywhere."""

import pytest

from moongate.report import numbers
from moongate.report.numbers import MINUS, THIN_SPACE


def plain(text: str) -> str:
    return text.replace(THIN_SPACE, " ").replace(MINUS, "-")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.816, "82 %"), (0.0, "0 %"), (-0.001, "0 %"), (-0.052, "-5 %"), (-0.104, "-10 %"), (1.2, "120 %")],
)
def test_shares_are_whole_percent_without_a_negative_zero(share: float, text: str) -> None:
    assert plain(numbers.percent(share)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.418, "0.42 s"), (38.2, "38 s"), (59.7, "1 min 00 s"), (252, "4 min 12 s"), (7500, "2 h 05 min")],
)
def test_durations_carry_over_into_the_next_unit(value: float, text: str) -> None:
    assert plain(numbers.seconds(value)) == text


def test_a_missing_value_is_a_dash_and_never_a_number() -> None:
    assert numbers.decimal(None) == numbers.percent(None) == numbers.mebibytes(0) == numbers.NO_VALUE
    assert numbers.interval(0.1, None) == ""


def test_memory_changes_unit_at_one_gibibyte() -> None:
    assert plain(numbers.mebibytes(1023 * 2**20)) == "1023 MiB"
    assert plain(numbers.mebibytes(3 * 2**29)) == "1.5 GiB"
