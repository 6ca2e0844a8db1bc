"""Measure how fast everything is, side by side: `make bench`.

python -m benchmarks.speed                      all of it, on the machine's own device
python -m benchmarks.speed --only sampling      one workload; the others keep their figures
"""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.launching import (
    FIGURES_FOLDER,
    Output,
    command_line,
    launch,
    provenance,
    results_screen,
    shown,
    words_of,
)
from benchmarks.speed import page
from benchmarks.speed.bench import Bench
from benchmarks.speed.figures import Figures
from benchmarks.speed.grid import speed_grid
from benchmarks.speed.rows import read_rows
from benchmarks.speed.sizes import FULL, SIZES
from benchmarks.speed.workloads import WORKLOADS, for_model
from moongate.config import BaseConfig
from moongate.errors import ConfigError
from moongate.models.source import BaseSource, resolve_base
from moongate.progress import Progress

NAME = "speed"
_TERMINATED = 143


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
    # An end like any other, so that servers and contenders are ended with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    if size not in SIZES:
        raise ConfigError("no such size", where="--size", why=f"it is {size!r}", fix="choose full or tiny")
    names = tuple(WORKLOADS) if only is None else _known(words_of(only, "--only"))
    options = [("--only", only, None), ("--size", size, FULL.name), ("--device", device, "auto")]
    command = command_line(NAME, [*options, ("--peer", peer.name if peer else None, None)])
    record, config = Figures(output, NAME, WORKLOADS), BaseConfig(device=device)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary, shown() as progress:
        for bench in benches(scratch or Path(temporary), device, size, peer, progress):
            how = asdict(provenance(command, bench.base, config, seconds=0.0))
            record.measure(for_model(names, bench), bench, {"size": size} | how)
    record.finish(whole=only is None)
    rows = read_rows(record.path)
    page.write(output)
    results_screen().print(speed_grid(rows).terminal("Speed"))
    typer.echo(record.path)


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


if __name__ == "__main__":
    launch(main)
