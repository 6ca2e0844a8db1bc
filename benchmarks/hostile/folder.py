"""A small sound folder of pictures, to which one hostile thing is done."""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

# The side that the bundled model draws: a picture of this size needs no treatment, so nothing is said of it.
SIDE = 64
SOUND = ("a.png", "b.png", "c.png")


@dataclass
class Folder:
    """A folder in the making: three sound pictures, and what a case adds to them.

    Attributes:
        path: where it is.
        lines: of `metadata.jsonl`, without their ends.
        finish: lines to the bytes of `metadata.jsonl`; None leaves the file away.
    """

    path: Path
    lines: list[bytes] = field(default_factory=list)
    finish: Callable[[list[bytes]], bytes] | None = lambda lines: b"\n".join(lines) + b"\n"

    def put(self, name: str, content: bytes, text: object = "a duck", **columns: object) -> None:
        """Add a file and its row."""
        self.file(name, content)
        self.row(file_name=name, text=text, **columns)

    def file(self, name: str, content: bytes) -> None:
        """Add a file without a row."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def row(self, **columns: object) -> None:
        """Add a row."""
        self.lines.append(json.dumps(columns).encode())

    def name(self, file_name: object) -> None:
        """Add a row for a file of that name, with a caption."""
        self.row(file_name=file_name, text="a duck")

    def write_metadata(self) -> None:
        """Write `metadata.jsonl`."""
        if self.finish is not None:
            (self.path / "metadata.jsonl").write_bytes(self.finish(self.lines))


def sound_folder(path: Path) -> Folder:
    """Make a folder of three pictures that nothing is wrong with."""
    path.mkdir(parents=True)
    folder = Folder(path)
    for number, name in enumerate(SOUND):
        folder.put(name, encoded(picture(number)), f"a duck in the snow, {number}")
    return folder


def picture(seed: int, width: int = SIDE, height: int = SIDE) -> Image.Image:
    """Return a picture of smooth patches, which hash and compress as photographs do."""
    generator = np.random.Generator(np.random.PCG64(100 + seed))
    patches = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Return a picture as a file of one kind."""
    stream = BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """Write a PNG by hand, for forms that Pillow does not write; `extra` chunks come before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
