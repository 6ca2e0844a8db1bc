"""Open the index and the newest report in a real browser, and measure an index over many runs.

python -m benchmarks.pages    writes docs/figures/pages.parquet and docs/figures/pages_scale.parquet

It needs a finished run in the store (`moongate run`) and the extra `moongate[browser]` with a Chromium.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path
from time import process_time
from typing import Annotated

import pyarrow as pa
import typer

from benchmarks.chromium import NoBrowserError, browser
from benchmarks.launching import FIGURES_FOLDER, Output, StoreFolder, launch
from benchmarks.pages.browser import NARROW, SCREENS, axe_source
from benchmarks.pages.checks import Finding, examine, walk, work_through
from benchmarks.pages.crowd import crowd
from benchmarks.pages.variety import vary
from moongate.artifacts.schemas import Table
from moongate.artifacts.store import Store
from moongate.artifacts.tables import write_table
from moongate.index.pictures import FOLDER
from moongate.index.site import write_index
from moongate.runs import RunRecord, list_runs, run_folder

_FINDINGS = {"page": pa.string(), "screen": pa.string(), "violations": pa.string(), "undecided": pa.string()}
PAGES = Table(
    "pages",
    2,
    "page x screen",
    pa.schema(
        [
            pa.field(name, kind, nullable=False)
            for name, kind in (_FINDINGS | {"passed": pa.int64(), "overflow_px": pa.int64()}).items()
        ]
    ),
)
SCALE = Table(
    "pages_scale",
    1,
    "number of runs",
    pa.schema(
        [
            pa.field(name, kind, nullable=False)
            for name, kind in {
                "runs": pa.int64(), "first_cpu_s": pa.float64(), "again_cpu_s": pa.float64(),
                "page_bytes": pa.int64(), "picture_bytes": pa.int64(), "pictures": pa.int64(),
            }.items()
        ]
    ),
)  # fmt: skip


def main(
    store: StoreFolder = Path("store"),
    output: Output = FIGURES_FOLDER,
    runs: Annotated[int, typer.Option(help="How many runs the large index has; 0 leaves it out.")] = 1000,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with status 1 when something is missing to do this.")
    ] = False,
) -> None:
    """Open the pages in a browser, and measure an index over many runs."""
    newest = next((run for run in list_runs(store) if _is_whole(store, run)), None)
    if newest is None:
        typer.echo(f"not done: there is no finished run with a report in {store}; `moongate run` makes one")
        raise typer.Exit(int(strict))
    if runs:
        row = scale(store, newest, runs)
        write_table(output / "pages_scale.parquet", [row], SCALE)
        typer.echo(", ".join(f"{name} {value}" for name, value in row.items()))
    try:
        with tempfile.TemporaryDirectory(dir=store) as place:
            vary(store, newest, Path(place))
            findings, failures = look(store, newest, Path(place))
    except NoBrowserError as missing:
        typer.echo(f"not done: {missing}")
        raise typer.Exit(int(strict)) from missing
    rows = [
        asdict(one) | {"violations": "; ".join(one.violations), "undecided": "; ".join(one.undecided)}
        for one in findings
    ]
    write_table(output / "pages.parquet", rows, PAGES)
    for failure in failures:
        typer.echo(f"not as promised: {failure}")
    if failures or any(one.violations or one.overflow_px for one in findings):
        raise typer.Exit(1)


def look(store: Path, run: RunRecord, varied: Path) -> tuple[list[Finding], list[str]]:
    """Return what every page shows on every screen, and what did not work in the index.

    Args:
        store: where the report is.
        run: whose report it is.
        varied: a store whose index has all kinds of things to show.

    Raises:
        NoBrowserError: when there is no browser.
    """
    axe, index = axe_source(), write_index(Store(varied))
    pages = [("index", index, ""), ("report", run_folder(store, run.run_id) / "report.html", "")]
    ids = [one.run_id for one in list_runs(varied)][:2]
    pages.append(("comparison", index, f"#compare={','.join(ids)}"))
    with browser() as chromium:
        findings = []
        for (name, page, fragment), screen in product(pages, SCREENS):
            findings.append(examine(chromium, name, page, screen, axe, fragment))
            typer.echo(findings[-1])
        failures = [
            f"{what} ({screen.name})" for screen in SCREENS for what in work_through(chromium, index, screen)
        ]
        failures += [
            f"{what} ({screen.name})"
            for screen in (NARROW, SCREENS[2])
            for what in walk(chromium, index, screen)
        ]
    return findings, failures


def scale(source: Path, run: RunRecord, count: int) -> dict[str, object]:
    """Return what an index over `count` runs costs the first time and again, in CPU seconds and bytes."""
    # Beside the store, for its files are linked.
    with tempfile.TemporaryDirectory(dir=source) as place:
        crowd(source, run, count, Path(place))
        first, again = list(_timed(Store(Path(place))))
        pictures = list((Path(place) / FOLDER).glob("*.webp"))
        return {
            "runs": count,
            "first_cpu_s": round(first, 2),
            "again_cpu_s": round(again, 2),
            "page_bytes": (Path(place) / "index.html").stat().st_size,
            "picture_bytes": sum(picture.stat().st_size for picture in pictures),
            "pictures": len(pictures),
        }


def _timed(store: Store) -> Iterator[float]:
    for _ in range(2):
        started = process_time()
        write_index(store)
        yield process_time() - started


def _is_whole(root: Path, run: RunRecord) -> bool:
    report = run_folder(root, run.run_id) / "report.html"
    return run.status == "completed" and run.until == "record" and report.is_file()


if __name__ == "__main__":
    launch(main)
