from pathlib import Path

from benchmarks.kills.__main__ import KILLS
from benchmarks.launching import FIGURES_FOLDER
from benchmarks.reliability_page import PAGE, page
from benchmarks.sharing.__main__ import SHARING
from benchmarks.staleness.__main__ import STALENESS
from moongate.artifacts.tables import write_table
from moongate.config import GateConfig, RunConfig


def test_the_page_is_what_the_committed_figures_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(FIGURES_FOLDER), (
        "stale: python -m benchmarks.reliability_page"
    )


def test_the_page_states_the_defaults_of_the_code() -> None:
    assert RunConfig().on_bad_item == "stop"
    assert GateConfig().max_lost == 0.1


def test_what_never_ran_is_said_to_be_missing_with_its_command(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert text.count("Not measured yet.") == 5
    assert "python -m benchmarks.staleness" in text


def test_kills_are_counted_by_stage_and_the_files_of_a_run_once(tmp_path: Path) -> None:
    row = {"round": 1, "role": "base", "kept": 2, "again": 0, "compared": 100, "differing": 0}
    made = [
        row | {"kill": 0, "stage": "prior", "done": 0},
        row | {"kill": 1, "stage": "sample", "done": 4},
        row | {"round": 2, "kill": 0, "stage": "sample", "done": 3, "again": 1, "differing": 2},
    ]
    write_table(tmp_path / "kills.parquet", made, KILLS)
    text = page(tmp_path)
    assert "3 kills in 2 runs; 2 of them after work on the stage had begun." in text
    assert "Of 200 files that were compared with those of a run that was not killed, 2 differ." in text
    assert "| sample | 2 | 7 | 4 | 1 |" in text


def test_the_matrix_counts_what_is_rebuilt_in_each_stage(tmp_path: Path) -> None:
    row = {"group": "files", "change": "a_picture", "stage": "cache", "expected": "rebuilt"}
    made = [
        row | {"role": "train", "outcome": "rebuilt"},
        row | {"role": "holdout", "outcome": "reused"},
        row | {"stage": "prior", "role": "class", "outcome": "reused", "expected": "reused"},
    ]
    write_table(tmp_path / "staleness.parquet", made, STALENESS)
    text = page(tmp_path)
    assert "1 changes; 2 of 3 stage instances" in text
    assert r"| a\_picture | 1 of 2 | · |" in text


def test_processes_at_once_are_summed_over_their_trials(tmp_path: Path) -> None:
    row = {"processes": 2, "artifacts": 3, "built": 3, "reads": 6, "whole_reads": 6}
    write_table(tmp_path / "sharing.parquet", [row | {"trial": 0}, row | {"trial": 1}], SHARING)
    assert "| 2 | 2 | 6 | 6 | 12 | 12 |" in page(tmp_path)
