"""The faults as a section of a page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.faults.case import NEXT

_MESSAGE_CHARACTERS = 200


def section(folder: Path) -> Iterator[str]:
    """Yield the lines of the section, from the file that `python -m benchmarks.faults` left in `folder`."""
    rows = pq.read_table(folder / "faults.parquet").to_pylist()
    met = sum(row["expected"] == "yes" for row in rows)
    yield f"{len(rows)} faults; {met} ended as was set for them beforehand."
    for group in dict.fromkeys(row["group"] for row in rows):
        yield from ("", f"### {group[0].upper()}{group[1:]}", "")
        yield from ("| fault | message | what was lost | how it goes on |", "|---|---|---|---|")
        for row in rows:
            if row["group"] == group:
                cells = (row["fault"], _brief(row["message"]), row["lost"], row["goes_on"])
                yield f"| {' | '.join(map(_cell, cells))} |"
    yield ""


def _brief(message: str) -> str:
    """Shorten what is said to be wrong, and never what to do about it."""
    wrong, *todo = message.split(NEXT, 1)
    short = wrong if len(wrong) <= _MESSAGE_CHARACTERS else f"{wrong[:_MESSAGE_CHARACTERS]} ..."
    return NEXT.join((short, *todo))


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
