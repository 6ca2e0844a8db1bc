"""Rows: what two sides come to, what a target asks, and the file that keeps them."""

from pathlib import Path

import pytest

from benchmarks.speed.racing import Done, Lap, Laps
from benchmarks.speed.rows import Row, Subject, compared, read_how, read_rows, write_rows

SUBJECT = Subject("training", "toybox", "cpu")


def laps(*seconds: float, items: int = 2) -> Laps:
    return Laps(tuple(Lap(one, Done(items, unet_evals=8 * items), 100) for one in seconds))


def row() -> Row:
    ours, peer = ("ours", laps(1.0, 2.0, 9.0)), ("peer", laps(4.0, 5.0, 9.0))
    return compared(SUBJECT, "a step", "ms per step", 1000.0, ours, peer)


def test_a_row_holds_medians_for_one_item_and_the_extremes_of_the_ratios() -> None:
    one = row()
    assert (one.ours_value, one.peer_value, one.ratio) == (1000.0, 2500.0, 2.5)
    assert (one.ratio_low, one.ratio_high) == (1.0, 4.0)
    assert (one.ours_unet_evals, one.peer_unet_evals, one.rounds) == (8, 8, 3)


@pytest.mark.parametrize(
    ("aim", "bound", "target", "missing"),
    [("ratio", "at least", 2.0, 0.0), ("ratio", "at least", 3.0, 0.5), ("ours", "at most", 900.0, 100.0)],
)
def test_a_target_is_missed_by_what_is_lacking(aim, bound, target, missing) -> None:
    assert row().aimed(aim, bound, target).shortfall() == missing


def test_without_a_number_a_target_is_neither_met_nor_missed() -> None:
    assert row().aimed("share", "at least", 0.45).shortfall() is None


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    path, rows = tmp_path / "speed.parquet", (row(), row().aimed("ratio", "at least", 4.0))
    assert read_rows(path) == ()
    write_rows(path, rows, {"command": "python -m benchmarks.speed"})
    assert read_rows(path) == rows
    assert read_how(path)["command"] == "python -m benchmarks.speed"
