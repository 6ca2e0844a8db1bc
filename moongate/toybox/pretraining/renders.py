"""Rendered pictures in memory, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from moongate.progress import Progress
from moongate.toybox.captions import training_caption
from moongate.toybox.renderer import render
from moongate.toybox.vocabulary import COLOURS, OBJECTS, SCENES, SceneSpec
from moongate.toybox.worlds import sample_instance_spec, sample_spec

DrawSpec = Callable[[int], SceneSpec]
CHUNK = 500
NO_COLOUR = -1


@dataclass(frozen=True)
class RenderedSet:
    """Pictures and what they show.

    Attributes:
        specs: what each picture shows.
        images: (N, H, W, 3) uint8.
    """

    specs: Sequence[SceneSpec]
    images: Tensor

    def __len__(self) -> int:
        return len(self.specs)

    @staticmethod
    def joined(sets: Sequence[RenderedSet]) -> RenderedSet:
        """Return the pictures of all `sets` as one."""
        specs = [spec for some in sets for spec in some.specs]
        return RenderedSet(specs, torch.cat([some.images for some in sets]))

    def pixels(self, rows: Sequence[int] | Tensor) -> Tensor:
        """Return the pictures of `rows` as (B, 3, H, W) float32 in [-1, 1]."""
        chosen = self.images[torch.as_tensor(rows)]
        return chosen.permute(0, 3, 1, 2).float().div(127.5).sub(1)

    def labels(self) -> Tensor:
        """Return (N, 3) int64: object, colour (or NO_COLOUR, when no word names it) and scene."""
        rows = [
            (
                OBJECTS.index(s.object),
                COLOURS.index(s.colour) if s.colour else NO_COLOUR,
                SCENES.index(s.scene),
            )
            for s in self.specs
        ]
        return torch.tensor(rows, dtype=torch.int64)


def vocabulary_set(seeds: range, cache: Path, progress: Progress) -> RenderedSet:
    """Render what the vocabulary can say, one picture a seed."""
    return _rendered(sample_spec, seeds, cache, progress)


def instance_set(seeds: range, cache: Path, progress: Progress) -> RenderedSet:
    """Render objects in random looks that no caption names, one picture a seed."""
    return _rendered(sample_instance_spec, seeds, cache, progress)


def _rendered(draw_spec: DrawSpec, seeds: range, cache: Path, progress: Progress) -> RenderedSet:
    specs = [draw_spec(seed) for seed in seeds]
    path = cache / f"{draw_spec.__name__}-{seeds.start}-{seeds.stop}.safetensors"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        save_file({"images": _render_all(draw_spec, seeds, progress)}, path)
    return RenderedSet(specs, load_file(path)["images"])


def _render_all(draw_spec: DrawSpec, seeds: range, progress: Progress) -> Tensor:
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    rendered = []
    # Not forked: a fork copies torch's locks but not the threads that would release them.
    processes = ProcessPoolExecutor(mp_context=get_context("spawn"))
    with processes as pool, progress.track(f"render {len(seeds)} pictures", len(seeds)) as advance:
        for images in pool.map(_render_chunk, [draw_spec] * len(chunks), chunks):
            rendered.append(torch.from_numpy(images))
            advance(len(images))
    return torch.cat(rendered)


def _render_chunk(draw_spec: DrawSpec, seeds: range) -> np.ndarray:
    return np.stack([render(draw_spec(seed), seed).image for seed in seeds])


def batch_rows(seed: int, step: int, slots: Sequence[int], batch_size: int, population: int) -> list[int]:
    """Return the rows of some slots of batch `step`; an epoch is a permutation of all rows."""
    epoch, place = divmod(step, population // batch_size)
    order = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch]))).permutation(
        population
    )
    return [int(order[place * batch_size + slot]) for slot in slots]


def step_captions(specs: Sequence[SceneSpec], rows: Sequence[int], seed: int, step: int) -> list[str]:
    """Return a training caption for each row, with other words left out at every step."""
    return [
        training_caption(
            specs[row], np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, step, row])))
        )
        for row in rows
    ]
