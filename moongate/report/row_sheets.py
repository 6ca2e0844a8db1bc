"""Sheets in which every row is one thing and every column is another: pictures under column heads."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from moongate.report.sheets import (
    FAINT_INK,
    GAP,
    INK,
    LABEL_SIZE,
    MARGIN,
    PAPER,
    TITLE_HEIGHT,
    TITLE_SIZE,
    shortened,
    wrapped,
)

NAME_WIDTH = 190
LINE_HEIGHT = 16
HEAD_LINES = 4
HEAD_HEIGHT = HEAD_LINES * LINE_HEIGHT + 6
ABSENT = (232, 233, 230)


@dataclass(frozen=True)
class Row:
    """One row: its name, more words line by line, and its pictures, None where one is missing."""

    name: str
    lines: tuple[str, ...]
    pictures: tuple[Image.Image | None, ...]


@dataclass(frozen=True)
class Block:
    """Rows under the same column heads."""

    heads: tuple[str, ...]
    rows: tuple[Row, ...]


def row_sheet(title: str, blocks: Sequence[Block]) -> Image.Image:
    """Draw blocks one below the other, all columns as wide as the largest picture; gives an RGB picture.

    A picture that is missing leaves an empty frame, so that a column is always one thing.
    Raises ValueError when there is no picture at all.
    """
    pictures = [one for block in blocks for row in block.rows for one in row.pictures if one is not None]
    if not pictures:
        raise ValueError("a sheet needs pictures, got none")
    cell = (max(one.width for one in pictures), max(one.height for one in pictures))
    columns = max(len(block.heads) for block in blocks)
    width = 2 * MARGIN + NAME_WIDTH + columns * (cell[0] + GAP)
    height = 2 * MARGIN + TITLE_HEIGHT + sum(_height(block, cell[1]) for block in blocks)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(TITLE_SIZE)
    draw.text((MARGIN, MARGIN), shortened(draw, title, font, width - 2 * MARGIN), INK, font)
    top = MARGIN + TITLE_HEIGHT
    for block in blocks:
        _draw_block(sheet, draw, block, cell, top)
        top += _height(block, cell[1])
    return sheet


def _height(block: Block, cell_height: int) -> int:
    return HEAD_HEIGHT + len(block.rows) * (cell_height + GAP) + GAP


def _draw_block(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, block: Block, cell: tuple[int, int], top: int
) -> None:
    font = ImageFont.load_default(LABEL_SIZE)
    lefts = [MARGIN + NAME_WIDTH + column * (cell[0] + GAP) for column in range(len(block.heads))]
    for left, head in zip(lefts, block.heads, strict=True):
        words = wrapped(draw, head, font, cell[0], HEAD_LINES)
        draw.multiline_text((left, top + HEAD_HEIGHT - 6), words, FAINT_INK, font, anchor="ld")
    top += HEAD_HEIGHT
    for row in block.rows:
        _draw_name(draw, row, top, cell[1])
        for left, picture in zip(lefts, row.pictures, strict=True):
            if picture is None:
                frame = (left, top, left + cell[0] - 1, top + cell[1] - 1)
                draw.rectangle(frame, fill=None, outline=ABSENT, width=2)
            else:
                sheet.paste(picture, (left, top))
        top += cell[1] + GAP


def _draw_name(draw: ImageDraw.ImageDraw, row: Row, top: int, height: int) -> None:
    large, small = ImageFont.load_default(TITLE_SIZE), ImageFont.load_default(LABEL_SIZE)
    room = NAME_WIDTH - 2 * GAP
    draw.text((MARGIN, top), shortened(draw, row.name, large, room), INK, large)
    top += TITLE_SIZE + 8
    for line in row.lines[: (height - TITLE_SIZE - 8) // LINE_HEIGHT]:
        draw.text((MARGIN, top), shortened(draw, line, small, room), FAINT_INK, small)
        top += LINE_HEIGHT
