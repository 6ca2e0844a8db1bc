"""Contact sheets: every picture in its place, small ones enlarged exactly."""

from dataclasses import replace

import numpy as np
import pytest

from moongate.artifacts.images import png_from_pixels
from moongate.report.sheets import (
    GAP,
    LABEL_HEIGHT,
    MARGIN,
    PAPER,
    SMALLEST_CELL,
    TITLE_HEIGHT,
    Cell,
    contact_sheet,
)


def plain_cell(colour: tuple[int, int, int], side: int = 64) -> Cell:
    return Cell(
        png_from_pixels(np.full((side, side, 3), colour, dtype=np.uint8)),
        "a label that is much too long " * 9,
    )


def test_pictures_stand_row_by_row_and_small_ones_are_enlarged() -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    sheet = np.asarray(contact_sheet("title", [plain_cell(colour) for colour in colours], columns=2))
    for index, colour in enumerate(colours):
        left = MARGIN + (index % 2) * (SMALLEST_CELL + GAP)
        top = MARGIN + TITLE_HEIGHT + (index // 2) * (SMALLEST_CELL + LABEL_HEIGHT + GAP)
        block = sheet[top : top + SMALLEST_CELL, left : left + SMALLEST_CELL]
        assert (block == colour).all()


def test_large_pictures_are_reduced() -> None:
    sheet = contact_sheet("title", [plain_cell((1, 2, 3), side=1024)], columns=4)
    assert sheet.width == 2 * MARGIN + 256


def test_an_empty_sheet_is_refused() -> None:
    with pytest.raises(ValueError, match="got 0 and 3"):
        contact_sheet("title", [], columns=3)


def test_a_label_breaks_between_words_and_is_cut_where_it_ends() -> None:
    long, short = (
        np.asarray(contact_sheet("", [replace(plain_cell((9, 9, 9)), label=label)], columns=1))
        for label in ("one " * 40, "one")
    )
    top = MARGIN + TITLE_HEIGHT + SMALLEST_CELL
    second_line = slice(top + LABEL_HEIGHT // 2 + 2, top + LABEL_HEIGHT)
    assert (short[second_line] == PAPER).all()
    assert (long[second_line] != PAPER).any()
    assert (long[:, MARGIN + SMALLEST_CELL + 1 :] == PAPER).all()
