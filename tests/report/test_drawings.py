"""Curves are drawn once for an adapter: another run of the same one takes them over."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from moongate.report.drawings import CURVES_NAME, curve_png, kept_curves
from moongate.report.evidence import TrainingRecord, TrainStep, ValidationPoint

FIT = TrainingRecord(
    steps=tuple(TrainStep(i, 1.0 / i, 0.5) for i in range(1, 9)),
    validation=(ValidationPoint(4, 0.3), ValidationPoint(8, 0.2)),
    chosen_step=8,
    reason="",
)
AGAIN = """
import sys
from pathlib import Path
from moongate.report.drawings import kept_curves
svgs = kept_curves(Path(sys.argv[1]), "a" * 64, None)
print(sorted(svgs), "matplotlib" in sys.modules)
"""


def run(runs: Path, name: str) -> Path:
    folder = runs / name
    (folder / "sheets").mkdir(parents=True)
    return folder


@pytest.fixture
def first(tmp_path: Path) -> Path:
    folder = run(tmp_path, "first")
    kept_curves(folder, "a" * 64, FIT)
    return folder


def test_another_run_of_the_adapter_has_the_same_curves_without_drawing(first: Path) -> None:
    second = run(first.parent, "second")
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(second)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['loss', 'validation'] False"
    for name in ("loss", "validation"):
        png = f"sheets/{name}.png"
        assert (second / png).read_bytes() == (first / png).read_bytes()


def test_a_curve_alone_is_the_one_that_a_run_keeps(first: Path) -> None:
    other = replace(FIT, validation=(ValidationPoint(4, 0.9), ValidationPoint(8, 0.1)))
    kept = (first / "sheets/validation.png").read_bytes()
    assert curve_png(first.parent, "a" * 64, "validation", other) == kept
    assert curve_png(first.parent, "b" * 64, "validation", other) != kept
    assert curve_png(first.parent, "b" * 64, "validation", FIT) == kept


def test_a_damaged_picture_is_handed_to_no_other_run(first: Path) -> None:
    png = first / "sheets/validation.png"
    sound = png.read_bytes()
    png.write_bytes(sound[:-20] + bytes(20))
    assert curve_png(first.parent, "a" * 64, "validation", FIT) == sound
    second = run(first.parent, "second")
    kept_curves(second, "a" * 64, FIT)
    assert (second / "sheets/validation.png").read_bytes() == sound


def test_another_adapter_is_drawn_anew(first: Path) -> None:
    second = run(first.parent, "second")
    svgs = kept_curves(second, "b" * 64, replace(FIT, validation=()))
    assert list(svgs) == ["loss"]
    assert not (second / "sheets/validation.png").exists()


@pytest.mark.parametrize("damage", ["sheets/loss.png", CURVES_NAME])
def test_what_is_damaged_is_drawn_again(first: Path, damage: str) -> None:
    kept = json.loads((first / CURVES_NAME).read_text())["svgs"]
    (first / damage).unlink()
    assert kept_curves(first, "a" * 64, FIT) == kept
    assert (first / damage).is_file()


def test_an_adapter_without_a_training_record_has_no_curves(tmp_path: Path) -> None:
    assert kept_curves(run(tmp_path, "only"), "a" * 64, None) == {}
