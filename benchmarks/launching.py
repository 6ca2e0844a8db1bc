"""What every benchmark's command has in common: how it is started, how it shows progress, how it ends."""

import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.figures import Provenance, Record
from flows.terminal import Terminal, console
from moongate.config import BaseConfig
from moongate.errors import ConfigError, MoongateError
from moongate.models.source import BaseSource
from moongate.progress import Progress

FIGURES_FOLDER = Path("docs/figures")

StoreFolder = Annotated[
    Path,
    typer.Option(
        "--store", metavar="FOLDER", envvar="MOONGATE_HOME", help="Where artifacts are kept and found again."
    ),
]
Output = Annotated[
    Path, typer.Option("--output", metavar="FOLDER", help="Where the figures go, as one Parquet file.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting of the runs, such as train.steps=200."),
]


def launch(main: Callable[..., None]) -> None:
    """Run a benchmark's `main` as a command; the project's own errors become a message and exit status 1."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app()
    except MoongateError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


@contextmanager
def shown() -> Iterator[Progress]:
    """Yield progress bars on the terminal."""
    terminal = Terminal(console())
    with terminal.live(logging.WARNING):
        yield terminal


def results_screen() -> Console:
    """Return where tables go: standard output, as wide as they need in a file or a pipe."""
    screen = Console()
    return screen if screen.is_terminal else Console(width=200)


def command_line(name: str, options: Sequence[tuple[str, object, object]]) -> str:
    """Return the command that measures the same again.

    Args:
        name: the benchmark.
        options: (option, value, default); only what differs from its default is said, a tuple once per item.
    """
    words = ["python", "-m", f"benchmarks.{name}"]
    for option, value, default in options:
        if value == default:
            continue
        for item in value if isinstance(value, tuple) else (value,):
            words += [option, str(item)]
    return shlex.join(words)


def provenance(command: str, base: BaseSource, config: BaseConfig, seconds: float) -> Provenance:
    """Describe how figures of `base` came about."""
    from moongate.models.devices import resolve_device

    return Provenance.of_now(
        command,
        base=f"{base.name} {base.digest()[:12]}",
        precision=config.precision,
        device=str(resolve_device(config.device)),
        seconds=seconds,
    )


def words_of(text: str, option: str) -> tuple[str, ...]:
    """Split a comma-separated option.

    Raises:
        ConfigError: when nothing is left.
    """
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found:
        raise ConfigError(
            f"{option} names nothing", where=option, why=f"it is {text!r}", fix=f"give a list: {option} a,b"
        )
    return found


def numbers_of(text: str, option: str) -> tuple[int, ...]:
    """Split a comma-separated option into whole numbers of 0 and above.

    Raises:
        ConfigError: when a word is none.
    """
    words = words_of(text, option)
    if strange := [word for word in words if not word.isdecimal()]:
        raise ConfigError(
            f"{option} takes whole numbers",
            where=option,
            why=f"these are none: {', '.join(strange)}",
            fix=f"give a list such as {option} 0,1",
        )
    return tuple(int(word) for word in words)


def unmet(rows: Sequence[Mapping[str, str]], title: str) -> str:
    """Return which rows did not come out as was set beforehand, a line each; empty when all did.

    Args:
        rows: with `expected`, "yes" where all is as it must be, and the `message` that was seen.
        title: the column that names a row.
    """
    wrong = [row for row in rows if row["expected"] != "yes"]
    lines = [f"  {row[title]} ({row['expected']}): {row['message']}" for row in wrong]
    return "\n".join([f"{len(wrong)} of {len(rows)} are not as they must be:", *lines]) if wrong else ""


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = perf_counter()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return perf_counter() - self._started


def saved(record: Record, output: Path, name: str) -> Path:
    """Write `record` as `<output>/<name>.parquet` and return its path."""
    path = output / f"{name}.parquet"
    record.write(path)
    return path
