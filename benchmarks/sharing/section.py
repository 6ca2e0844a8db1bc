"""Processes at once as a section of a page."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

_COUNTS = ("artifacts", "built", "reads", "whole_reads")


def section(folder: Path) -> Iterator[str]:
    """Yield the lines of the section, from the file that `python -m benchmarks.sharing` left in `folder`."""
    rows = pq.read_table(folder / "sharing.parquet").to_pylist()
    yield "| processes at once | trials | artifacts | builds | reads | reads of all pictures |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for processes in sorted({row["processes"] for row in rows}):
        own = [row for row in rows if row["processes"] == processes]
        sums = (sum(row[name] for row in own) for name in _COUNTS)
        yield f"| {processes} | {len(own)} | {' | '.join(map(str, sums))} |"
    yield ""
