"""The kills as a section of a page."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq


def section(folder: Path) -> Iterator[str]:
    """Yield the lines of the section, from the file that `python -m benchmarks.kills` left in `folder`."""
    rows = pq.read_table(folder / "kills.parquet").to_pylist()
    rounds = {row["round"]: row for row in rows}.values()
    compared, differing = (sum(row[name] for row in rounds) for name in ("compared", "differing"))
    at_work = sum(row["done"] > 0 for row in rows)
    yield (
        f"{len(rows)} kills in {len(rounds)} runs; {at_work} of them after work on the stage had begun. Of "
        f"{compared:,} files that were compared with those of a run that was not killed, {differing} differ."
    )
    yield from (
        "",
        "| killed in | kills | pieces of work done | batches or steps kept | of these done again |",
        "|---|---:|---:|---:|---:|",
    )
    for stage in dict.fromkeys(row["stage"] for row in rows):
        own = [row for row in rows if row["stage"] == stage]
        sums = (sum(row[name] for row in own) for name in ("done", "kept", "again"))
        yield f"| {stage} | {len(own)} | {' | '.join(f'{number:,}' for number in sums)} |"
    yield ""
