"""Measure how fast everything is, side by side: `make bench`.

python -m benchmarks.speed                      all of it, on the machine's own device
python -m benchmarks.speed --only sampling      one workload; the others keep their figures
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.launching import (
    FIGURES_FOLDER,
    Output,
    Stopwatch,
    command_line,
    launch,
    provenance,
    results_screen,
    shown,
    words_of,
)
from benchmarks.speed import page
from benchmarks.speed.bench import Bench
from benchmarks.speed.grid import speed_grid
from benchmarks.speed.rows import Row, read_how, read_rows, write_rows
from benchmarks.speed.sizes import FULL, SIZES
from benchmarks.speed.workloads import WORKLOADS, for_model
from moongate.config import BaseConfig
from moongate.errors import ConfigError
from moongate.models.source import BaseSource, resolve_base
from moongate.progress import Progress

NAME = "speed"


def main(
    only: Annotated[str | None, typer.Option(metavar="A,B", help=f"Some of: {', '.join(WORKLOADS)}.")] = None,
    size: Annotated[str, typer.Option(help="full, or tiny: figures that mean nothing, in little time.")] = (
        FULL.name
    ),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")] = "auto",
    peer: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Diffusers' own train_dreambooth.py, of the installed version, to train against as well.",
        ),
    ] = None,
    scratch: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where models and pictures are made, and kept.")
    ] = None,
    output: Output = FIGURES_FOLDER,
) -> None:
    """Measure our side and what a user would run instead in turns, and write table, figures and page.

    A run that is stopped goes on with the workloads that it had not finished. On a GPU, the architecture of
    Stable Diffusion 1.5 with random weights is measured beside the toybox.

    Example: python -m benchmarks.speed --only training,sampling
    """
    if size not in SIZES:
        raise ConfigError("no such size", where="--size", why=f"it is {size!r}", fix="choose full or tiny")
    names = tuple(WORKLOADS) if only is None else _known(words_of(only, "--only"))
    command = command_line(
        NAME, [("--only", only, None), ("--size", size, FULL.name), ("--device", device, "auto")]
    )
    record, watch = Figures(output / f"{NAME}.parquet", output / f"{NAME}.unfinished.parquet"), Stopwatch()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary, shown() as progress:
        place = scratch or Path(temporary)
        for bench in benches(place, device, size, peer, progress):
            how = asdict(provenance(command, bench.base, BaseConfig(), watch.seconds))
            record.measure(names, bench, {"size": size} | how)
    record.finish(whole=only is None, seconds=watch.seconds)
    rows = read_rows(record.path)
    page.write(output)
    results_screen().print(speed_grid(rows).terminal("Speed"))
    typer.echo(record.path)


class Figures:
    """The rows so far: those of a run that is going on in a file of their own, until it is whole."""

    def __init__(self, path: Path, unfinished: Path) -> None:
        self.path = path
        self._unfinished = unfinished
        self._how: dict[str, str] = {}

    def measure(self, names: Sequence[str], bench: Bench, how: Mapping[str, str]) -> None:
        """Measure workloads that an interrupted run of the same kind had not finished."""
        for name in for_model(names, bench):
            rows, known = read_rows(self._unfinished), read_how(self._unfinished)
            same = all(known.get(key) == how[key] for key in ("command", "processor", "torch", "size"))
            kept = rows if same else ()
            self._how = {**how, "seconds": str(float(known["seconds"]) if same and kept else 0.0)}
            if any(_is_of(row, name, bench) for row in kept):
                continue
            watch = Stopwatch()
            found = tuple(WORKLOADS[name](bench))
            self._how["seconds"] = str(float(self._how["seconds"]) + watch.seconds)
            write_rows(self._unfinished, [*kept, *found], self._how)

    def finish(self, *, whole: bool, seconds: float) -> None:
        """Make the rows the figures; those of a part replace the same workloads, models and devices."""
        new, old = read_rows(self._unfinished), () if whole else read_rows(self.path)
        measured = {(row.workload, row.model, row.device) for row in new}
        kept = [row for row in old if (row.workload, row.model, row.device) not in measured]
        how = {**self._how, "seconds": f"{float(self._how.get('seconds', seconds)):.0f}"}
        if whole or not old:
            written = how
        else:
            written = {key: value for key, value in read_how(self.path).items() if key in how}
        order = list(WORKLOADS)
        rows = sorted([*kept, *new], key=lambda row: (row.model, order.index(row.workload)))
        write_rows(self.path, rows, written)
        self._unfinished.unlink(missing_ok=True)


def benches(place: Path, device: str, size: str, peer: Path | None, progress: Progress) -> Iterator[Bench]:
    """Yield the toybox, and on a GPU Stable Diffusion 1.5's architecture."""
    from benchmarks.speed.architectures import STABLE_DIFFUSION_15, write_random_model
    from moongate.models.devices import resolve_device

    found = str(resolve_device(device))
    sources: list[BaseSource] = [resolve_base(BaseConfig())]
    if found.startswith("cuda"):
        sources.append(write_random_model(STABLE_DIFFUSION_15, place / "sd15"))
    for source in sources:
        own = place / source.folder.name
        own.mkdir(parents=True, exist_ok=True)
        yield Bench(source, found, SIZES[size], own, progress, peer)


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    if strange := [name for name in names if name not in WORKLOADS]:
        raise ConfigError(
            "no such workload",
            where="--only",
            why=f"unknown: {', '.join(strange)}",
            fix=f"choose from {', '.join(WORKLOADS)}",
        )
    return names


def _is_of(row: Row, name: str, bench: Bench) -> bool:
    return (row.workload, row.model, row.device) == (name, bench.base.name, bench.device)


if __name__ == "__main__":
    launch(main)
