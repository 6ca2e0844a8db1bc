"""The page: every missed target with its shortfall, every workload with its command, and plots of growth."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.launching import FIGURES_FOLDER
from benchmarks.speed import page
from benchmarks.speed.growth import fits, fitted
from benchmarks.speed.rows import Row, write_rows
from benchmarks.speed.workloads import WORKLOADS

HOW = {
    "command": "python -m benchmarks.speed",
    "processor": "a processor",
    "cores": "2",
    "device": "cpu",
    "precision": "bfloat16",
    "torch": "2.13.0",
    "python": "3.11.9",
    "base": "toybox",
    "measured_utc": "2026-01-01",
    "seconds": "1140",
    "size": "full",
}
TOYBOX = ("toybox", "cpu", "ours")
STEP = Row("training", "a step", *TOYBOX, "ms per step", 200.0, "plain loop", 260.0, 1.3, 1.2, 1.4)
GROWING = [
    Row("growth", "ingest", "toybox", "cpu", "ours", "s", 0.5 * n, ours_peak_bytes=2**28, against="images",
        against_value=float(n))
    for n in (5, 50, 500)
]  # fmt: skip


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    other = replace(STEP, case="another")
    rows = [STEP.aimed("ratio", "at least", 1.5), other.aimed("ratio", "at least", 1.2)]
    rows += [*GROWING, *fits("ingest", GROWING, streams=True)]
    write_rows(tmp_path / "speed.parquet", rows, HOW)
    return tmp_path


def test_a_missed_target_says_by_how_much_and_a_met_one_that_it_is(figures: Path) -> None:
    text = page.page(figures)
    assert "2 of 3 targets are met" in text
    assert "**missed by 0.20 x**" in text
    assert "The rounds lie between 1.20 and 1.40." in text


def test_every_workload_has_its_command(figures: Path) -> None:
    text = page.page(figures)
    assert all(f"python -m benchmarks.speed --only {name}" in text for name in WORKLOADS)


def test_the_memory_of_a_large_model_is_told_with_its_own_command_and_counts_among_the_targets(
    figures: Path,
) -> None:
    held = Row(page.MEMORY, "a step", "large", "cpu", "ours", "GB", 30.0).aimed("ours", "at most", 24.0)
    write_rows(figures / "memory.parquet", [held], HOW | {"command": "python -m benchmarks.speed.memory"})
    text = page.page(figures)
    assert "2 of 4 targets are met" in text
    assert ".venv/bin/python -m benchmarks.speed.memory" in text


def test_growth_has_a_plot_that_the_page_shows(figures: Path) -> None:
    page.write(figures, target=figures / "page.md")
    assert not (figures / "page.md").exists(), "figures elsewhere leave the project's page alone"
    page.draw_growth(page.read_rows(figures / "speed.parquet"), figures)
    (shown,) = re.findall(r"!\[[^]]*\]\([^)]*?([^/)]+\.svg)\)", page.page(figures))
    assert "<svg" in (figures / shown).read_text()


def test_a_power_law_is_found_again() -> None:
    exponent, constant = fitted([1, 10, 100], [3.0, 30.0, 300.0])
    assert (exponent, constant) == pytest.approx((1.0, 3.0))
    time, memory = fits("ingest", GROWING, streams=True)
    assert (time.ours_value, memory.ours_value) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert (time.shortfall(), memory.shortfall()) == (None, 0.0)


def test_notes_belong_to_workloads() -> None:
    assert page.read_notes(page.NOTES).keys() <= {*WORKLOADS, page.MEMORY}


def test_the_page_in_the_documentation_is_that_of_its_figures() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(FIGURES_FOLDER)
