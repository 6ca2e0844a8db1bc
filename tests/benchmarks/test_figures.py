from pathlib import Path

import pytest

from benchmarks.figures import Figure, Provenance, Record
from benchmarks.grids import by_metric, number, outcome, target_grid

HOW = Provenance(
    "python -m benchmarks.x",
    "a processor",
    "2",
    "cpu",
    "bfloat16",
    "2.13.0",
    "3.11.9",
    "toybox",
    "2026-01-01",
    "60",
)
DECIBELS = Figure("psnr", "PSNR", "measured", 29.2, "dB", low=29.0, high=29.4).aimed("at least", 30.0)
SHARE = Figure("right", "Right", "measured", 0.96, "share").aimed("at least", 0.95)


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    absent = Figure("gap", "Gap", "tuned", None, "dB", status="missing")
    record = Record((DECIBELS, SHARE, absent), HOW)
    record.write(tmp_path / "x.parquet")
    assert Record.read(tmp_path / "x.parquet") == record


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (DECIBELS, "**missed by 0.80 dB**"),
        (SHARE, "met"),
        (SHARE.aimed("at least", 0.985), "**missed by 2.5 points**"),
        (SHARE.aimed("at most", 0.90), "**missed by 6.0 points**"),
        (Figure("e", "E", "c", 2e-6, "error").aimed("at most", 1e-5), "met"),
        (Figure("e", "E", "c", 1.4e-5, "error").aimed("at most", 1e-5), "**missed by 4.0e-06**"),
        (Figure("d", "D", "c", 0.2, low=0.1, high=0.3).aimed("surely above", 0.0), "met"),
        (Figure("d", "D", "c", 0.2, low=-0.1, high=0.5).aimed("surely above", 0.0), "**missed by 0.100**"),
        (Figure("d", "D", "c", 0.2).aimed("surely above", 0.0), "not measured (ok)"),
        (Figure("m", "M", "c", None, status="missing").aimed("at least", 1.0), "not measured (missing)"),
    ],
)
def test_a_target_is_met_or_missed_by_so_much(figure: Figure, said: str) -> None:
    assert outcome(figure) == said


def test_numbers_carry_their_unit_and_their_interval() -> None:
    assert number(DECIBELS) == "29.20 dB [29.00, 29.40]"
    assert number(SHARE) == "96.0 %"
    assert number(Figure("k", "K", "c", -0.0123)) == "\u22120.012"


def test_a_grid_has_a_row_a_metric_and_leaves_absent_cells_empty() -> None:
    tuned = Figure("psnr", "PSNR", "tuned", 28.0, "dB")
    only = Figure("ssim", "SSIM", "tuned", 0.9)
    grid = by_metric([DECIBELS, tuned, only], {"measured": "base", "tuned": "tuned"}, "figure")
    assert grid.headers == ("figure", "base", "tuned")
    assert grid.rows == (("PSNR", "29.20 dB [29.00, 29.40]", "28.00 dB"), ("SSIM", "", "0.900"))
    assert grid.markdown().splitlines()[1] == "| --- | ---: | ---: |"


def test_only_figures_with_a_target_are_in_the_target_grid() -> None:
    grid = target_grid([DECIBELS, Figure("ssim", "SSIM", "measured", 0.9)], {"measured": "measured"})
    assert [row[0] for row in grid.rows] == ["PSNR, measured"]
