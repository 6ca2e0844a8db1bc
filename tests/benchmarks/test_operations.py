from datetime import UTC, datetime

from benchmarks.operations.machine import overlaps


def at(minute: int) -> datetime:
    return datetime(2026, 1, 1, 2, minute, tzinfo=UTC)


def test_spans_of_one_slot_that_overlap_are_counted_and_those_of_two_slots_are_not() -> None:
    one_after_the_other = [(at(5), at(9)), (at(1), at(5))]
    assert overlaps({"slot-0": one_after_the_other, "slot-1": [(at(2), at(8))]}) == 0
    assert overlaps({"slot-0": [*one_after_the_other, (at(4), at(6))]}) == 2
