from pathlib import Path

from benchmarks.faults.__main__ import FAULTS, rows
from benchmarks.faults.bits import BITS
from benchmarks.faults.case import Case, Seen, refusal
from benchmarks.faults.limits import NotHereError
from benchmarks.faults.models import MODELS
from benchmarks.faults.section import section
from benchmarks.launching import unmet
from moongate.artifacts.tables import write_table
from moongate.errors import StoreError
from moongate.progress import Silent


def test_every_unsafe_model_is_refused_as_it_must_be(tmp_path: Path) -> None:
    found = rows(tmp_path, Silent(), {"base models": MODELS})
    assert [row["expected"] for row in found] == ["yes"] * len(MODELS), found
    assert str(tmp_path) not in str(found)


def test_a_flipped_bit_in_a_checkpoint_or_a_batch_is_found_and_costs_no_more_than_it_hit(
    tmp_path: Path,
) -> None:
    found = rows(tmp_path, Silent(), {"flipped bits": BITS[-2:]})
    assert [row["expected"] for row in found] == ["yes", "yes"], found
    assert [row["fault"] for row in found] == [
        "a flipped bit in state.json of a checkpoint",
        "a flipped bit in a finished batch",
    ]


def test_what_is_said_includes_what_to_do_next() -> None:
    def fail() -> None:
        raise StoreError("the disk is full", where="/store", why="0 B are free", fix="make room\nand go on")

    assert refusal(fail) == "the disk is full: 0 B are free Next: make room and go on"


def test_what_is_not_as_promised_and_what_cannot_be_done_here_is_said(tmp_path: Path) -> None:
    def forbidden(_folder: Path) -> Seen:
        raise NotHereError("no disks")

    cases = (
        Case("lost", lambda _: Seen("full", "everything", "not at all", False), "full"),
        Case("silent", lambda _: Seen("", "nothing", "by itself", True), "full"),
        Case("forbidden", forbidden, "full"),
    )
    found = rows(tmp_path, Silent(), {"disks": cases})
    assert [row["expected"] for row in found] == ["no", "no", "not done"]
    assert found[2]["message"] == "no disks"
    assert unmet(found, "fault").splitlines() == [
        "3 of 3 are not as they must be:",
        "  lost (no): full",
        "  silent (no): ",
        "  forbidden (not done): no disks",
    ]
    assert not unmet([row | {"expected": "yes"} for row in found], "fault")


def test_the_section_counts_what_was_met_and_takes_no_message_for_markup(tmp_path: Path) -> None:
    row = {"fault": "a | b", "message": "<b>" + "x" * 500, "lost": "nothing", "goes_on": "by itself"}
    made = [row | {"group": "disks", "expected": "yes"}, row | {"group": "numbers", "expected": "no"}]
    write_table(tmp_path / "faults.parquet", made, FAULTS)
    lines = list(section(tmp_path))
    assert lines[0].startswith("2 faults; 1 ended")
    assert lines.index("### Disks") < lines.index("### Numbers")
    assert r"| a \| b | \<b\>" + "x" * 197 + " ... | nothing | by itself |" in lines


def test_the_section_never_cuts_what_to_do_next(tmp_path: Path) -> None:
    said = "x" * 500 + " Next: " + "y" * 300
    row = {"group": "disks", "fault": "a", "message": said, "lost": "", "goes_on": "", "expected": "yes"}
    write_table(tmp_path / "faults.parquet", [row], FAULTS)
    assert "| a | " + "x" * 200 + " ... Next: " + "y" * 300 + " |  |  |" in list(section(tmp_path))
