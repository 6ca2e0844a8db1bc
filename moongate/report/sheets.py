"""Contact sheets: many pictures in one PNG, each with its label under it."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from moongate.artifacts.durability import atomic_file

MARGIN = 16
GAP = 8
TITLE_HEIGHT = 34
LABEL_LINES = 2
LABEL_HEIGHT = 34
TITLE_SIZE = 18
LABEL_SIZE = 12
SMALLEST_CELL = 128
LARGEST_CELL = 256
COMPRESSION = 4
"""Of zlib: 6, the default, takes twice as long for 3 % less."""
PAPER = (250, 250, 248)
INK = (28, 31, 36)
FAINT_INK = (104, 110, 118)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Cell:
    """One picture (PNG bytes) and its label."""

    png: bytes
    label: str


def contact_sheet(title: str, cells: Sequence[Cell], columns: int) -> Image.Image:
    """Lay `cells` out row by row, at most `columns` a row, under `title`; gives an RGB picture.

    Small pictures are enlarged by a whole factor without smoothing, large ones reduced to 256 px.
    Raises ValueError when there is nothing to lay out.
    """
    if not cells or columns < 1:
        raise ValueError(f"a contact sheet needs pictures and columns, got {len(cells)} and {columns}")
    pictures = [fitted(cell.png) for cell in cells]
    columns = min(columns, len(cells))
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", _sheet_size(columns, rows, width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    title_font, label_font = ImageFont.load_default(TITLE_SIZE), ImageFont.load_default(LABEL_SIZE)
    draw.text((MARGIN, MARGIN), shortened(draw, title, title_font, sheet.width - 2 * MARGIN), INK, title_font)
    for index, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        left = MARGIN + (index % columns) * (width + GAP)
        top = MARGIN + TITLE_HEIGHT + (index // columns) * (height + LABEL_HEIGHT + GAP)
        sheet.paste(picture, (left, top))
        label = wrapped(draw, cell.label, label_font, width, LABEL_LINES)
        draw.multiline_text((left, top + height + 2), label, FAINT_INK, label_font)
    return sheet


def write_sheet(path: Path, sheet: Image.Image) -> None:
    """Write `sheet` as PNG; a reader sees the old file or the new one, never half of one."""
    with atomic_file(path) as temporary:
        sheet.save(temporary, format="PNG", compress_level=COMPRESSION)


def fitted(png: bytes, largest: int = LARGEST_CELL) -> Image.Image:
    """Return an RGB picture for a cell: enlarged by a whole factor, or reduced to `largest` px."""
    with Image.open(BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    longest = max(picture.size)
    if longest > largest:
        picture.thumbnail((largest, largest), Image.Resampling.LANCZOS)
        return picture
    factor = max(1, SMALLEST_CELL // longest)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _sheet_size(columns: int, rows: int, width: int, height: int) -> tuple[int, int]:
    across = 2 * MARGIN + columns * width + (columns - 1) * GAP
    down = 2 * MARGIN + TITLE_HEIGHT + rows * (height + LABEL_HEIGHT) + (rows - 1) * GAP
    return across, down


def wrapped(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int, most: int) -> str:
    """Break `text` between words into at most `most` lines; what does not fit is cut off with a mark."""
    lines, words = [""], text.split()
    while words:
        longer = f"{lines[-1]} {words[0]}".strip()
        if not lines[-1] or draw.textlength(longer, font) <= width:
            lines[-1] = longer
            words.pop(0)
        elif len(lines) < most:
            lines.append("")
        else:
            lines[-1] = " ".join((lines[-1], *words))
            break
    return "\n".join(shortened(draw, line, font, width) for line in lines)


def shortened(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> str:
    """Return `text`, or as much of its beginning as fits into `width` px with a mark after it."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"
