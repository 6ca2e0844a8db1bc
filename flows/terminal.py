"""What a person sees: bars while a stage works, one line when it is done, and a closing summary."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from moongate.artifacts.refs import MetricsRef
from moongate.artifacts.store import Store
from moongate.runs import VERBS, RunRecord, StageEntry, run_folder

if TYPE_CHECKING:
    from flows.plan import PlannedStage

SHOWN_LOGGERS = ("moongate",)
PIPE_COLUMNS = 160
LINE_EVERY_S = 60.0


def console() -> Console:
    """Return the terminal of people: standard error, so that standard output stays what was asked for."""
    # Without markup: names, captions and paths are printed, and brackets in them mean nothing.
    screen = Console(stderr=True, markup=False)
    # A file or a pipe has no width, and 80 columns would cut the tables.
    return screen if screen.is_terminal else Console(stderr=True, width=PIPE_COLUMNS, markup=False)


class Terminal:
    """Bars while something works, and log lines above them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show one bar of `total` items while the context lasts; into a file or a pipe, a line a minute."""
        if not self._console.is_terminal:
            yield self._line_by_line(description, total)
            return
        bar = self._bars.add_task(description, total=total)
        try:
            yield lambda count: self._bars.advance(bar, count)
        finally:
            self._bars.remove_task(bar)

    def _line_by_line(self, description: str, total: int) -> Callable[[int], None]:
        done, said_at = 0, monotonic()

        def advance(count: int) -> None:
            nonlocal done, said_at
            done += count
            if monotonic() - said_at >= LINE_EVERY_S:
                said_at = monotonic()
                self._console.print(f"{description}: {done:,} of {total:,}", highlight=False)

        return advance

    @contextmanager
    def live(self, level: int) -> Iterator[None]:
        """Draw bars, and show log messages of this project at `level` and above."""
        handler = _ConsoleHandler(self._console, level)
        loggers = [logging.getLogger(name) for name in SHOWN_LOGGERS]
        for logger in loggers:
            logger.setLevel(logging.INFO)
            logger.addHandler(handler)
        try:
            # Into a file or a pipe, a bar would be an empty line.
            with self._bars if self._console.is_terminal else nullcontext():
                yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)


class _ConsoleHandler(logging.Handler):
    """Log lines above the bars: plain for information, coloured from a warning on."""

    def __init__(self, console: Console, level: int) -> None:
        super().__init__(level)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else None
        self._console.print(record.getMessage(), style=style, markup=False, highlight=False, soft_wrap=True)


def print_outcome(screen: Console, store: Store, record: RunRecord) -> None:
    """Print how a run went: its metrics, what each stage cost, and where its report is."""
    screen.print()
    if (summary := _summary(store, record)) is not None:
        table = metric_table(summary)
        fits = screen.measure(table).maximum <= screen.width
        screen.print(table if fits else metric_table(summary, before_interval="\n"), "")
    if record.verdict:
        screen.print(f"{record.verdict}: {record.verdict_reason}", "", style="bold", highlight=False)
    for caveat in record.caveats():
        screen.print(caveat, "", style="yellow", highlight=False)
    screen.print(stage_table(record.current()), "")
    for entry in record.current():
        if entry.rebuilt:
            screen.print(f"{entry.stage} {entry.role}: second build {entry.rebuilt}", highlight=False)
    screen.print(f"run     {record.run_id}  ({seconds(record.wall_s)})", highlight=False)
    if report := report_path(store, record):
        screen.print("runs    moongate report --open: all of them on one page", highlight=False)
        screen.print(f"report  {report}", highlight=False, soft_wrap=True)


def print_run(screen: Console, store: Store, record: RunRecord) -> None:
    """Print all that is known of a run."""
    screen.print(run_table([record]), "")
    if record.parent is not None:
        screen.print(lineage(record), "", markup=False, highlight=False, soft_wrap=True)
    screen.print(instance_table(record.current()))
    if record.error:
        screen.print(f"\nerror: {record.error}", style="red", markup=False, highlight=False)
    print_outcome(screen, store, record)


def lineage(record: RunRecord) -> str:
    """Return what a run repeats, as one line."""
    start = f" from {record.from_stage} on" if record.from_stage else ""
    changed = f", with {' '.join(record.overrides)}" if record.overrides else ", nothing changed"
    forced = f", {record.from_stage} built a second time" if record.force else ""
    return f"repeats {record.parent}{start}{changed}{forced}"


def report_path(store: Store, record: RunRecord) -> Path | None:
    """Return the run's report, or None when it has none (yet)."""
    report = run_folder(store.root, record.run_id) / "report.html"
    return report if report.exists() else None


def plan_table(planned: "Sequence[PlannedStage]") -> Table:
    """Return what a run would find in the store and what it would build."""
    table = Table("stage", "role", "artifact", "", box=None)
    for stage in planned:
        table.add_row(stage.stage, stage.role, stage.digest[:12], "cached" if stage.cached else "to build")
    return table


def run_table(runs: Sequence[RunRecord]) -> Table:
    """Return the runs as a table, in the order given."""
    titles = ("run", "subject", "base", "until", "status", "verdict", "time", "UNet evaluations")
    table = Table(*titles, box=None)
    for run in runs:
        subject, base = run.config.subject.name, run.config.base.model
        cost = (seconds(run.wall_s), f"{run.unet_evals:,}")
        table.add_row(run.run_id, subject, base, run.until, run.status, run.verdict, *cost)
    return table


def stage_table(entries: Sequence[StageEntry]) -> Table:
    """Return what each stage cost, one row per verb, and the sum."""
    table = Table("stage", box=None, show_footer=True)
    table.columns[0].footer = "all"
    by_verb = defaultdict(list)
    for entry in entries:
        by_verb[entry.stage].append(entry)
    totals = _cost(entries)
    for title, total in zip(("cached", "time", "UNet evaluations", "lost"), totals, strict=True):
        table.add_column(title, total, justify="right")
    for verb in VERBS:
        if verb in by_verb:
            table.add_row(verb, *_cost(by_verb[verb]))
    return table


def instance_table(entries: Sequence[StageEntry]) -> Table:
    """Return the stage instances of a run with the addresses of their artifacts."""
    titles = ("stage", "role", "artifact", "cached", "time", "items", "lost", "UNet evaluations", "device")
    table = Table(*titles, box=None)
    for entry in entries:
        table.add_row(
            entry.stage,
            entry.role,
            entry.digest[:12],
            "yes" if entry.cached else "no",
            seconds(entry.wall_s),
            f"{entry.items:,}",
            f"{entry.lost:,}",
            f"{entry.unet_evals:,}",
            entry.device,
        )
    return table


def metric_table(summary: Path, before_interval: str = " ") -> Table:
    """Return `summary.parquet` as one row per metric and one column per model, intervals in brackets."""
    import pyarrow.parquet as pq

    rows = pq.read_table(summary).to_pylist()
    models = [model for model in ("real", "base", "tuned") if any(row["model"] == model for row in rows)]
    cells = {(row["metric"], row["model"]): _cell(row, before_interval) for row in rows}
    table = Table(Column("metric", no_wrap=True), box=None)
    for model in models:
        table.add_column(model, justify="right", no_wrap=True)
    for metric in dict.fromkeys(row["metric"] for row in rows):
        table.add_row(_short(metric), *(cells.get((metric, model), "") for model in models))
    return table


def _short(metric: str) -> str:
    """Return a metric's family and variant; the extractor's id that may follow is in the report."""
    return ".".join(metric.split(".")[:2])


def seconds(value: float) -> str:
    """Return a duration as people say it: 3.2 s, 4 min 05 s, 2 h 10 min."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _summary(store: Store, record: RunRecord) -> Path | None:
    for entry in record.current():
        if entry.stage == "evaluate":
            return store.folder(MetricsRef(entry.digest)) / "summary.parquet"
    return None


def _cost(entries: Sequence[StageEntry]) -> tuple[str, str, str, str]:
    cached = sum(entry.cached for entry in entries)
    wall_s = sum(entry.wall_s for entry in entries)
    unet_evals = sum(entry.unet_evals for entry in entries)
    lost = sum(entry.lost for entry in entries)
    return f"{cached} of {len(entries)}", seconds(wall_s), f"{unet_evals:,}", f"{lost:,}"


def _cell(row: Mapping[str, Any], before_interval: str) -> str:
    value, low, high = row["value"], row["low"], row["high"]
    lost = f" ({row['lost']} lost)" if row["lost"] else ""
    if value is None:
        return f"-{lost}"
    ends = "" if low is None or high is None else f"{before_interval}[{low:.3f}, {high:.3f}]"
    return f"{value:.3f}{ends}{lost}"
