"""The invert stage's files, written a batch at a time."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.inverted import (
    INVERSIONS_NAME,
    LATENTS_NAME,
    InversionCard,
    InvertedPicture,
    Method,
)
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.schemas import INVERSIONS
from moongate.artifacts.tables import open_table
from moongate.inversions.inverter import WALKS, Advance, Ascent, Inverter
from moongate.inversions.keeping import InvertedBatch
from moongate.inversions.measuring import Measured
from moongate.inversions.pictures import Target
from moongate.models.latents import to_mean_latents
from moongate.models.prompt_book import PromptBook
from moongate.progress import Progress
from moongate.sampling.rendering import render


def write_inversions(
    folder: Path,
    role: str,
    targets: Sequence[Target],
    latents: LatentSet,
    inverter: Inverter,
    finished: FinishedBatches,
    progress: Progress,
) -> None:
    """Invert `targets` and write the files described in `moongate.artifacts.inverted`.

    Args:
        folder: where to.
        role: "base" or "tuned".
        targets: the pictures.
        latents: where their posterior means are.
        inverter: the model and the method.
        finished: batches of an interrupted inversion, and where this one keeps its own.
        progress: told of every step of every picture and walk.

    Raises:
        InputError: when a prompt is too long for the model.
        NumericsError: when latents stop being finite.
        StopError: after a batch, when the process was asked to stop.
    """
    size, steps = inverter.config.batch_size, len(inverter.table)
    book = PromptBook(inverter.model, (target.prompt for target in targets))
    inverted: dict[Method, list[Tensor]] = {}
    with (
        progress.track("invert", len(targets) * steps * WALKS) as advance,
        open_table(folder / INVERSIONS_NAME, INVERSIONS, {"batch_size": str(size)}) as append,
    ):
        for number, first in enumerate(range(0, len(targets), size)):
            batch = targets[first : first + size]
            done = _inverted(batch, latents, book, inverter, finished, advance)
            append(_rows(batch, done, inverter, role))
            _write_trajectories(folder / f"trajectory-{number:05d}.safetensors", done.ascents)
            for ascent in done.ascents:
                inverted.setdefault(ascent.method, []).append(ascent.z_T.cpu())
    save_file({method: torch.cat(parts) for method, parts in inverted.items()}, folder / LATENTS_NAME)
    _card(role, targets, inverter).write(folder)


def _inverted(
    batch: Sequence[Target],
    latents: LatentSet,
    book: PromptBook,
    inverter: Inverter,
    finished: FinishedBatches,
    advance: Advance,
) -> InvertedBatch:
    """Return what inverting a batch gives, computing it unless that has been done."""
    names = [target.picture.image_id for target in batch]
    if found := finished.find(names):
        advance(len(batch) * len(inverter.table) * WALKS)
        inverter.counter.evaluations += found.facts["unet_evals"]
        return InvertedBatch.of(found.arrays)
    before = inverter.counter.evaluations
    done = _invert_batch(batch, names, latents, book, inverter, advance)
    facts = {"unet_evals": inverter.counter.evaluations - before}
    finished.publish(names, Batch(done.arrays(), facts))
    return done


def _invert_batch(
    batch: Sequence[Target],
    names: Sequence[str],
    latents: LatentSet,
    book: PromptBook,
    inverter: Inverter,
    advance: Advance,
) -> InvertedBatch:
    model = inverter.model
    means = latents.means([target.row for target in batch]).to(model.device)
    z_0 = to_mean_latents(means, model.scaling_factor)
    embeddings = book.of([target.prompt for target in batch])
    floor = render(model, z_0)
    ascents = inverter.ascents(z_0, embeddings, names, advance)
    return InvertedBatch(floor, ascents, tuple(render(model, ascent.z_0) for ascent in ascents))


def _rows(
    batch: Sequence[Target], done: InvertedBatch, inverter: Inverter, role: str
) -> list[dict[str, object]]:
    """Return the rows of a batch, the methods of a picture beside each other."""
    return [
        Measured(target, done.floor[index], pixels[index]).row(
            ascent, index, model=role, steps=len(inverter.table)
        )
        for index, target in enumerate(batch)
        for ascent, pixels in zip(done.ascents, done.drawn, strict=True)
    ]


def _write_trajectories(path: Path, ascents: Sequence[Ascent]) -> None:
    kept = {ascent.method: ascent.trajectory for ascent in ascents if ascent.trajectory is not None}
    if kept:
        save_file({str(method): states.contiguous() for method, states in kept.items()}, path)


def _card(role: str, targets: Sequence[Target], inverter: Inverter) -> InversionCard:
    return InversionCard(
        model=role,
        moves=tuple((row.t_source, row.t_destination) for row in inverter.table.rows),
        pictures=tuple(
            InvertedPicture(target.picture.image_id, target.prompt, target.picture.extra)
            for target in targets
        ),
    )
