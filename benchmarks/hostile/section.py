"""The hostile inputs as a section of a page: input, verdict, message, and the memory of large pictures."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from moongate.imagefolder.pictures import MEMORY_PER_PIXEL_BYTES

_MESSAGE_CHARACTERS = 160
MEGAPIXEL = 1e6
MEBIBYTE = 2**20


def section(folder: Path) -> Iterator[str]:
    """Yield the lines of the section, from the files that `python -m benchmarks.hostile` left in `folder`."""
    rows = pq.read_table(folder / "hostile.parquet").to_pylist()
    met = sum(row["expected"] == "yes" for row in rows)
    yield f"{len(rows)} inputs; {met} got the verdict and the words that were set for them beforehand."
    for group in dict.fromkeys(row["group"] for row in rows):
        yield from (
            "",
            f"### {group[0].upper()}{group[1:]}",
            "",
            "| input | verdict | message |",
            "|---|---|---|",
        )
        for row in rows:
            if row["group"] == group:
                yield f"| {_cell(row['input'])} | {row['verdict']} | {_cell(_brief(row['message']))} |"
    yield from ("", *_memory(folder))


def _memory(folder: Path) -> Iterator[str]:
    yield f"Memory while a picture is decoded and treated; the bound is {MEMORY_PER_PIXEL_BYTES} B a pixel."
    yield from ("", "| picture | megapixels | growth, MiB | bytes a pixel |", "|---|---:|---:|---:|")
    for row in pq.read_table(folder / "hostile_memory.parquet").to_pylist():
        each = row["growth_bytes"] / row["pixels"]
        pixels, growth = row["pixels"] / MEGAPIXEL, row["growth_bytes"] / MEBIBYTE
        yield f"| {_cell(row['kind'])} | {pixels:.0f} | {growth:.0f} | {each:.1f} |"


def _brief(message: str) -> str:
    return message if len(message) <= _MESSAGE_CHARACTERS else f"{message[:_MESSAGE_CHARACTERS]} ..."


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
