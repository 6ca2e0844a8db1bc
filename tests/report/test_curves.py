"""Training curves: the page's colours, no outside references, the same bytes every time."""

import re
from xml.etree import ElementTree

import pytest

from moongate.report import curves
from moongate.report.evidence import TrainingRecord, TrainStep, ValidationPoint

RECORD = TrainingRecord(
    steps=tuple(TrainStep(i, 1.0 / i, None if i % 2 else 0.5) for i in range(1, 30)),
    validation=(ValidationPoint(10, 0.3), ValidationPoint(20, 0.2)),
    chosen_step=20,
    reason="",
)


@pytest.mark.parametrize("draw", [curves.loss_curve, curves.validation_curve])
def test_svg_follows_the_pages_colours(draw) -> None:
    svg = curves.as_svg(draw(RECORD), "a")
    ElementTree.fromstring(svg)
    assert "var(--tuned)" in svg
    assert not re.search(r"(stroke|fill): #(?!000000)", svg)


@pytest.mark.parametrize("draw", [curves.loss_curve, curves.validation_curve])
def test_the_same_record_gives_the_same_svg(draw) -> None:
    assert curves.as_svg(draw(RECORD), "a") == curves.as_svg(draw(RECORD), "a")


def test_the_kept_step_is_written_on_the_curve() -> None:
    assert "kept: step 20" in curves.as_svg(curves.validation_curve(RECORD), "a")


def test_the_running_mean_of_a_constant_is_that_constant() -> None:
    assert curves.exponential_mean([2.5] * 5, weight=0.1) == pytest.approx([2.5] * 5)


def test_the_running_mean_weighs_as_its_closed_form() -> None:
    # Two values with weight w: (w(1-w) a + w b) / (w(1-w) + w).
    assert curves.exponential_mean([1.0, 4.0], weight=0.5) == pytest.approx([1.0, (0.25 + 2.0) / 0.75])
