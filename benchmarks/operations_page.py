"""Write the end of `docs/operations.md`, what was seen, from the files that benchmarks left; or check it.

python -m benchmarks.operations_page            write it
python -m benchmarks.operations_page --check    exit with status 1 when it is stale
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.launching import FIGURES_FOLDER
from benchmarks.sections import Section, text
from moongate.markdown import table

PAGE = Path("docs/operations.md")
# What stands before it is written by hand.
MARK = "<!-- From here on: python -m benchmarks.operations_page. Do not edit. -->\n"


def deaths(folder: Path) -> Iterator[str]:
    """Yield what was seen when something died."""
    headings = ("event", "the UI showed", "what finished the work", "what was kept", "seconds", "as promised")
    names = ("event", "shown", "finish", "kept")
    rows = _rows(folder, "operations")
    yield table(
        headings, [[*(row[one] for one in names), f"{row['seconds']:.0f}", _word(row)] for row in rows]
    )
    yield ""


def displayed(folder: Path) -> Iterator[str]:
    """Yield what the browser was to see on each page, and how much of it was displayed."""
    found = {page: list(rows) for page, rows in groupby(_rows(folder, "browser"), lambda row: row["page"])}
    yield table(
        ("page", "expected", "displayed", "the first of it"),
        [
            [page, str(len(rows)), str(sum(row["displayed"] for row in rows)), rows[0]["what"]]
            for page, rows in found.items()
        ],
    )
    yield ""


def campaigns(folder: Path) -> Iterator[str]:
    """Yield what came of the sweep and the batch."""
    names = ("command", "promise", "seen")
    rows = _rows(folder, "campaigns")
    yield table((*names, "as promised"), [[*(row[name] for name in names), _word(row)] for row in rows])
    yield ""


SECTIONS = (
    Section(
        "operations",
        "Seen: runs that share slots, and what dies",
        """`moongate up` on a machine with two declared slots; runs share them, and then what they need is
killed in the middle of a training (SIGKILL), or stopped. Seconds are until the UI showed the state, or until
all was done where nothing had to be finished.""",
        deaths,
    ),
    Section(
        "browser",
        "Seen: a scheduled run in the browser",
        """The schedule `every-night` of `personalize/one-subject` is moved to a minute that comes soon; the
run that it starts by itself, and a second one that finds everything cached, are looked at in a headless
Chromium. Expected are texts that become visible and pictures with pixels; [Watching runs](watching.md) shows
the pages.""",
        displayed,
    ),
    Section(
        "campaigns",
        "Seen: a sweep and a batch",
        """Nine settings of one subject, and every bundled subject beside one with a truncated picture, in an
empty store.""",
        campaigns,
    ),
)


def page(written: str, folder: Path) -> str:
    """Return the whole page: what is written by hand, and what the files in `folder` make."""
    return written.partition(MARK)[0] + MARK + "\n" + text(SECTIONS, folder).rstrip() + "\n"


def main() -> None:
    """Write the page, or check it."""
    written = PAGE.read_text(encoding="utf-8")
    fresh = page(written, FIGURES_FOLDER)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(fresh, encoding="utf-8")
    elif written != fresh:
        sys.exit(f"{PAGE} is stale: python -m benchmarks.operations_page")


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return rows


def _word(row: dict[str, Any]) -> str:
    return "yes" if row["as_promised"] else "NO"


if __name__ == "__main__":
    main()
