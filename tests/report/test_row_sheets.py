"""Sheets of rows: a picture stands under its column's head, and a missing one leaves its place empty."""

import numpy as np
import pytest
from PIL import Image

from moongate.report.row_sheets import HEAD_HEIGHT, NAME_WIDTH, Block, Row, row_sheet
from moongate.report.sheets import GAP, MARGIN, PAPER, TITLE_HEIGHT

SIDE = 128


def plain(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), colour)


def cell(sheet: np.ndarray, top: int, row: int, column: int) -> np.ndarray:
    left = MARGIN + NAME_WIDTH + column * (SIDE + GAP)
    top += HEAD_HEIGHT + row * (SIDE + GAP)
    return sheet[top : top + SIDE, left : left + SIDE]


def test_a_lost_picture_moves_no_other_one_out_of_its_row_and_column() -> None:
    red, green, blue = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    block = Block(
        ("a duck", "a duck in the snow"),
        (Row("1", ("steps=1",), (None, plain(red))), Row("2", (), (plain(green), plain(blue)))),
    )
    top = MARGIN + TITLE_HEIGHT
    sheet = np.asarray(row_sheet("title", [block]))
    assert (cell(sheet, top, 0, 1) == red).all()
    assert (cell(sheet, top, 1, 0) == green).all()
    assert (cell(sheet, top, 1, 1) == blue).all()
    assert (cell(sheet, top, 0, 0)[4:-4, 4:-4] == PAPER).all()
    names = sheet[top + HEAD_HEIGHT :, MARGIN : MARGIN + NAME_WIDTH]
    assert (names[: SIDE // 2] != PAPER).any()
    heads = sheet[top : top + HEAD_HEIGHT, MARGIN + NAME_WIDTH :]
    assert (heads[:, :SIDE] != PAPER).any()
    assert (heads[:, SIDE + GAP :] != PAPER).any()


def test_a_sheet_without_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="got none"):
        row_sheet("title", [Block(("a",), (Row("1", (), (None,)),))])
