from pathlib import Path

from benchmarks.base_model import drawn_figures, vae_figure
from benchmarks.conclusions import compare
from benchmarks.figures import Record
from benchmarks.inversion import replay_figure
from benchmarks.launching import FIGURES_FOLDER
from benchmarks.replay import Replay
from benchmarks.results_page import PAGE, page
from tests.benchmarks.test_conclusions import HOW as RESAMPLING
from tests.benchmarks.test_conclusions import table
from tests.benchmarks.test_figures import HOW


def test_the_page_is_what_the_committed_figures_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(FIGURES_FOLDER), (
        "stale: python -m benchmarks.results_page"
    )


def test_a_benchmark_that_never_ran_is_said_to_be_missing(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert text.count("Not measured yet.") == 5
    assert "python -m benchmarks.dreambooth" in text


def test_every_figure_stands_beside_its_command_and_machine_and_missed_targets_are_said(
    tmp_path: Path,
) -> None:
    figures = (vae_figure([29.0, 30.0]), *drawn_figures((0.96, 0.91, 0.97), 100))
    Record(figures, HOW).write(tmp_path / "base_model.parquet")
    text = page(tmp_path)
    assert ".venv/bin/python -m benchmarks.x" in text
    assert "a processor, 2 cores;\ntorch 2.13.0" in text
    assert "3 of 4 targets are met." in text
    assert "| at least 30.00 dB | 29.50 dB" in text
    assert "**missed by 0.50 dB**" in text


def test_the_comparison_has_a_table_its_conclusions_and_rows_by_subject(tmp_path: Path) -> None:
    Record(compare(table(), RESAMPLING), HOW).write(tmp_path / "dreambooth.parquet")
    text = page(tmp_path)
    assert "| metric | base model | without prior | with prior | real pictures |" in text
    assert "Means over 8 runs of 4 subjects" in text
    assert "4 of 4 targets are met." in text
    assert "| three | 0.220 | 0.720 | 0.620 | 0.720 |" in text


def test_the_replay_names_its_worst_step_count(tmp_path: Path) -> None:
    Record((replay_figure(Replay("trailing", "v_prediction", 1.4e-5, 1, 190, 0)),), HOW).write(
        tmp_path / "inversion.parquet"
    )
    text = page(tmp_path)
    assert "trailing spacing, v_prediction, greatest at 1 steps | 1.4e-05 | 190 |" in text
    assert "**missed by 4.0e-06**" in text
