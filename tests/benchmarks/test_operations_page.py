from dataclasses import asdict
from pathlib import Path

from benchmarks.browser.__main__ import SIGHTS
from benchmarks.browser.visitor import Sight
from benchmarks.launching import FIGURES_FOLDER
from benchmarks.operations.__main__ import OPERATIONS
from benchmarks.operations.deaths import Outcome
from benchmarks.operations_page import MARK, PAGE, page
from moongate.artifacts.tables import write_table


def test_the_page_is_what_is_written_by_hand_and_what_the_committed_figures_say() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert MARK in written
    assert written == page(written, FIGURES_FOLDER), "stale: python -m benchmarks.operations_page"


def test_what_never_ran_is_said_to_be_missing_with_its_command(tmp_path: Path) -> None:
    text = page("by hand\n\n" + MARK + "old\n", tmp_path)
    assert text.startswith("by hand\n")
    assert "old" not in text
    assert text.count("Not measured yet.") == 3


def test_what_was_not_as_promised_and_what_was_not_displayed_are_seen(tmp_path: Path) -> None:
    died = Outcome("kill -9 of a worker", "Failed", "moongate up", 12.4, "nothing", as_promised=False)
    write_table(tmp_path / "operations.parquet", [asdict(died)], OPERATIONS)
    sights = [Sight("run", "Completed", displayed=True), Sight("run", "a | picture", displayed=False)]
    write_table(tmp_path / "browser.parquet", [asdict(one) for one in sights], SIGHTS)
    text = page(MARK, tmp_path)
    assert "| moongate up | nothing | 12 | NO |" in text
    assert "| run | 2 | 1 | Completed |" in text
