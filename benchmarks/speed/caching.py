"""Caching: pictures encoded, latents written and read, and single rows at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.bench import Bench
from benchmarks.speed.models import stage_model
from benchmarks.speed.plain_caching import encode_in_loop, read_files, write_files
from benchmarks.speed.racing import Contender, Done, Portion
from benchmarks.speed.rows import Row, compared
from moongate.artifacts.latents import LatentSet, LatentWriter
from moongate.models.source import BaseSource

NAME = "caching"
_TWO_FLOAT32 = 8


def measure(bench: Bench) -> Iterator[Row]:
    """Yield encoding, writing, reading everything, and reading single rows."""
    yield _encoded(bench)
    yield from _stored(bench)


def our_encoding(base: BaseSource, device: str, images: Path, pictures: int, batch: int) -> Portion:
    """Return what encodes `pictures` pictures by the product's own reader and encoder."""
    from moongate.artifacts.images import stream_images
    from moongate.models.latents import encode_posterior, from_uint8

    model = stage_model(base, device, "float32")

    def portion() -> Done:
        import torch

        done = 0
        while done < pictures:
            for part in stream_images(images, batch):
                pixels = torch.from_numpy(np.stack([picture.pixels() for picture in part]))
                means, stds = encode_posterior(model.vae, from_uint8(pixels).to(model.device))
                torch.cat([means, stds]).cpu()
                done += len(part)
        return Done(done)

    return portion


def write_latents(folder: Path, shape: tuple[int, ...], rows: int) -> Portion:
    """Return what writes `rows` latents with the product's writer, index included."""
    import torch

    mean, std = torch.ones(shape), torch.ones(shape)

    def portion() -> Done:
        folder.mkdir(parents=True, exist_ok=True)
        writer = LatentWriter(folder, shard_rows=2000, prompts=("a",))
        for row in range(rows):
            writer.add(f"{row:06d}", "0" * 64, "a", mean, std)
        return Done(writer.finish({}))

    return portion


def read_all(folder: Path, rows: int) -> Portion:
    """Return what reads the means of all rows at once."""
    known = LatentSet(folder)

    def portion() -> Done:
        known.means(range(rows))
        return Done(rows)

    return portion


def read_rows(folder: Path, rows: tuple[int, ...]) -> Portion:
    """Return what reads single means, each by a call of its own."""
    known = LatentSet(folder)

    def portion() -> Done:
        for row in rows:
            known.means([row])
        return Done(len(rows))

    return portion


def _encoded(bench: Bench) -> Row:
    size, material = bench.size, bench.material
    arguments = {
        "base": bench.base,
        "device": bench.device,
        "images": material.folder(material.evaluation),
        "pictures": size.cache_pictures,
    }
    batch, in_step = material.config.cache.batch_size, size.train_batch * 2
    laps = bench.race(
        NAME,
        (
            Contender("ours", our_encoding, arguments | {"batch": batch}, bench.device),
            Contender("loop", encode_in_loop, arguments | {"batch": in_step}, bench.device),
        ),
        size.rounds,
    )
    return compared(
        bench.subject(NAME),
        "pictures decoded and encoded",
        "ms per picture",
        1000.0,
        (f"moongate, batch {batch}", laps["ours"]),
        (f"in the loop, batch {in_step}", laps["loop"]),
    )


def _stored(bench: Bench) -> Iterator[Row]:
    size, material = bench.size, bench.material
    known = LatentSet(material.folder(material.evaluation_latents))
    shape = tuple(known.means([0]).shape[1:])
    rows = size.cache_pictures
    ours, files = bench.scratch / "latents", bench.scratch / "files"
    common: dict[str, Any] = {"shape": shape, "rows": rows}
    megabytes = float(np.prod(shape)) * _TWO_FLOAT32 / 1e6
    draws = np.random.Generator(np.random.PCG64(0)).integers(0, rows, size.cache_reads)
    some = tuple(int(row) for row in draws)
    written = bench.race(
        NAME,
        (
            Contender("ours", write_latents, common | {"folder": ours}),
            Contender("files", write_files, common | {"folder": files}),
        ),
        size.rounds,
    )
    subject, peer = bench.subject(NAME), "one .npz per picture"
    row = compared(
        subject,
        "latents written",
        "ms per picture",
        1e3,
        ("moongate", written["ours"]),
        (peer, written["files"]),
    )
    yield _rated(row, megabytes)
    read = bench.race(
        NAME,
        (
            Contender("ours", read_all, {"folder": ours, "rows": rows}),
            Contender("files", read_files, {"folder": files, "rows": tuple(range(rows))}),
            Contender("our row", read_rows, {"folder": ours, "rows": some}),
            Contender("file row", read_files, {"folder": files, "rows": some}),
        ),
        size.rounds,
    )
    row = compared(
        subject, "all means read", "ms per picture", 1e3, ("moongate", read["ours"]), (peer, read["files"])
    )
    yield _rated(row, megabytes / 2)
    yield compared(
        subject,
        "single means read at random",
        "ms per picture",
        1e3,
        ("moongate", read["our row"]),
        (peer, read["file row"]),
    )


def _rated(row: Row, megabytes: float) -> Row:
    """Return the row with its rates in words."""
    rates = [megabytes / value * 1e3 for value in (row.ours_value, row.peer_value) if value]
    return replace(
        row,
        note="; ".join(f"{who} {rate:.0f} MB/s" for who, rate in zip(("ours", "peer"), rates, strict=True)),
    )
