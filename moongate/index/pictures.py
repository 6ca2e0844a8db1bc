"""The pictures beside the page: small WebP files, named by what they show, so that none is made twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from moongate.index.readings import DrawnPrompt, DrawnSet, Portrait

FOLDER = "index"
CELL = 64
"""Side of a picture in CSS pixels. Up to this many pixels it is kept as it is; a larger one gets twice as
many."""

GAP = 4
STRIP = 3
SHEET_COLUMNS = 8
QUALITY = 90
"""Of WebP, 0 to 100: below this the colours of a 64 px picture run."""

# Part of every file's name: raise it when a picture of the same artifact would come out differently.
_LAYOUT = 1


@dataclass(frozen=True)
class Still:
    """A picture file: its address from the page, its size in CSS pixels, and what it shows in words.

    `pixelated` asks for hard pixel edges when it is enlarged.
    """

    src: str
    width: int
    height: int
    alt: str
    pixelated: bool = False


@dataclass(frozen=True)
class Sheet:
    """One file with a picture of each prompt in square cells, row by row.

    Attributes:
        src: its address from the page.
        columns, rows: of the grid.
        prompts: what the cells show, in order.
    """

    src: str
    columns: int
    rows: int
    prompts: tuple[DrawnPrompt, ...]


@dataclass(frozen=True)
class Album:
    """What a run drew: a strip for its row, and a sheet of all its prompts for comparisons."""

    strip: Still
    sheet: Sheet


class PictureFolder:
    """Makes pictures under `<root>/index/`, and forgets those that no page shows any more."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER
        self._shown: set[str] = set()

    def portrait(self, portrait: Portrait) -> Still | None:
        """Return the picture of a subject, made if need be; None when its file cannot be decoded."""
        name = _name("subject", portrait.digest)
        if not self._has(name):
            png = _cells(portrait.folder / "images.parquet", [0])
            if not self._write(name, png, 1, 0):
                return None
        return Still(
            f"{FOLDER}/{name}", CELL, CELL, f"The subject: {portrait.text}", self._is_small(name, 1, 0)
        )

    def album(self, drawn: DrawnSet) -> Album | None:
        """Return the pictures of a sample set, made if need be; None when there are none."""
        if not drawn.prompts:
            return None
        strip_name, sheet_name = _name("strip", drawn.digest), _name("samples", drawn.digest)
        chosen = _spread(drawn.prompts)
        if not (self._has(strip_name) and self._has(sheet_name)):
            pictures = _cells(drawn.folder / "samples.parquet", [prompt.row for prompt in drawn.prompts])
            firsts = [pictures[drawn.prompts.index(prompt)] for prompt in chosen]
            if not (
                self._write(sheet_name, pictures, SHEET_COLUMNS, 0)
                and self._write(strip_name, firsts, STRIP, GAP)
            ):
                return None
        asked = ", ".join(f"“{prompt.prompt}”" for prompt in chosen)
        width = len(chosen) * (CELL + GAP) - GAP
        small = self._is_small(strip_name, len(chosen), GAP)
        columns = min(SHEET_COLUMNS, len(drawn.prompts))
        return Album(
            Still(f"{FOLDER}/{strip_name}", width, CELL, f"The tuned model draws {asked}", small),
            Sheet(
                f"{FOLDER}/{sheet_name}",
                columns,
                -(-len(drawn.prompts) // SHEET_COLUMNS),
                drawn.prompts,
            ),
        )

    def remove_unused(self) -> None:
        """Remove the pictures that were not asked for since this object was made."""
        for path in self._folder.glob("*.webp"):
            if path.name not in self._shown:
                path.unlink(missing_ok=True)

    def _has(self, name: str) -> bool:
        self._shown.add(name)
        return _is_whole(self._folder / name)

    def _write(self, name: str, pngs: Sequence[bytes], columns: int, gap: int) -> bool:
        try:
            grid = _grid([_square(png) for png in pngs], columns, gap)
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError):
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{name}.{uuid4().hex}.tmp"
        try:
            # Not synced to disk, which takes longer than all the rest: what a crash cuts short is made again.
            grid.save(temporary, format="WEBP", quality=QUALITY, method=4)
            temporary.replace(self._folder / name)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _is_small(self, name: str, columns: int, gap: int) -> bool:
        with Image.open(self._folder / name) as opened:
            return opened.width <= columns * (CELL + gap)


def _is_whole(path: Path) -> bool:
    """Tell whether a WebP file is there and as long as its own first bytes say."""
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
        return head[:4] == b"RIFF" and int.from_bytes(head[4:], "little") + len(head) == path.stat().st_size
    except FileNotFoundError:
        return False


def _name(kind: str, digest: str) -> str:
    return f"{kind}-{digest[:20]}-{_LAYOUT}.webp"


def _spread(prompts: Sequence[DrawnPrompt]) -> list[DrawnPrompt]:
    """Return prompts spread evenly over the set: by position, and not by looks."""
    count = min(STRIP, len(prompts))
    return [prompts[index * len(prompts) // count] for index in range(count)]


def _cells(path: Path, rows: Sequence[int]) -> list[bytes]:
    column = pq.read_table(path, columns=["image"])["image"]
    return [column[row].as_py()["bytes"] for row in rows]


def _square(png: bytes) -> Image.Image:
    """Decode a picture as a square: a small one as it is, a larger one cropped and reduced to two cells."""
    with Image.open(BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side))
    wanted = side if side <= CELL else min(side, 2 * CELL)
    return picture if wanted == side else picture.resize((wanted, wanted), Image.Resampling.LANCZOS)


def _grid(pictures: Sequence[Image.Image], columns: int, gap: int) -> Image.Image:
    """Lay pictures out row by row; `gap` is in CSS pixels, and stays transparent."""
    side = max(picture.width for picture in pictures)
    space = round(gap * side / CELL)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    size = (columns * (side + space) - space, rows * (side + space) - space)
    grid = Image.new("RGBA" if gap else "RGB", size)
    for picture, at in zip(pictures, _places(columns, side + space), strict=False):
        fitted = picture if picture.width == side else picture.resize((side, side), Image.Resampling.NEAREST)
        grid.paste(fitted, at)
    return grid


def _places(columns: int, step: int) -> Iterator[tuple[int, int]]:
    number = 0
    while True:
        yield (number % columns) * step, (number // columns) * step
        number += 1
