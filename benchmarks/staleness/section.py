"""The changes and stages as a section of a page."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

_ALL_REUSED = "·"


def section(folder: Path) -> Iterator[str]:
    """Yield the lines of the section, from what `python -m benchmarks.staleness` left in `folder`."""
    rows = pq.read_table(folder / "staleness.parquet").to_pylist()
    right = sum(row["outcome"] == row["expected"] for row in rows)
    yield (
        f"{len({row['change'] for row in rows})} changes; {right} of {len(rows)} stage instances are rebuilt "
        "or reused as was set for them beforehand. A cell says how many of a stage's instances are built "
        f"again; {_ALL_REUSED} is none."
    )
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    counts = Counter((row["change"], row["stage"]) for row in rows if row["outcome"] == "rebuilt")
    totals = Counter((row["change"], row["stage"]) for row in rows)
    yield from ("", f"| change | {' | '.join(stages)} |", f"|---|{'---:|' * len(stages)}")
    for change in dict.fromkeys(row["change"] for row in rows):
        cells = [_cell(counts[change, stage], totals[change, stage]) for stage in stages]
        yield f"| {_escaped(change)} | {' | '.join(cells)} |"
    yield ""


def _cell(count: int, total: int) -> str:
    return f"{count} of {total}" if count else _ALL_REUSED


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
