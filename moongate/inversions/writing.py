"""The invert stage's files, written a batch at a time."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from moongate.artifacts.inverted import (
    INVERSIONS_NAME,
    LATENTS_NAME,
    InversionCard,
    InvertedPicture,
    Method,
)
from moongate.artifacts.schemas import INVERSIONS
from moongate.artifacts.tables import open_table
from moongate.inversions.inversion import Inversion
from moongate.inversions.inverter import Ascent
from moongate.inversions.keeping import InvertedBatch
from moongate.inversions.measuring import Measured
from moongate.inversions.pictures import Target
from moongate.progress import Progress


def write_inversions(folder: Path, role: str, work: Inversion, progress: Progress) -> None:
    """Invert pictures and write the files described in `moongate.artifacts.inverted`.

    Args:
        folder: where to.
        role: "base" or "tuned".
        work: the pictures and what inverts them.
        progress: told of every step of every picture and walk.

    Raises:
        InputError: when a prompt is too long for the model.
        NumericsError: when latents stop being finite.
        StopError: after a batch, when the process was asked to stop.
    """
    inverted: dict[Method, list[Tensor]] = {}
    provenance = {"batch_size": str(work.inverter.config.batch_size)}
    with open_table(folder / INVERSIONS_NAME, INVERSIONS, provenance) as append:
        for number, (batch, done) in enumerate(work.invert(progress)):
            append(_rows(batch, done, len(work.inverter.table), role))
            _write_trajectories(folder / f"trajectory-{number:05d}.safetensors", done.ascents)
            for ascent in done.ascents:
                inverted.setdefault(ascent.method, []).append(ascent.z_T.cpu())
    save_file({method: torch.cat(parts) for method, parts in inverted.items()}, folder / LATENTS_NAME)
    _card(role, work).write(folder)


def _rows(batch: Sequence[Target], done: InvertedBatch, steps: int, role: str) -> list[dict[str, object]]:
    """Return the rows of a batch, the methods of a picture beside each other."""
    return [
        Measured(target, done.floor[index], pixels[index]).row(ascent, index, model=role, steps=steps)
        for index, target in enumerate(batch)
        for ascent, pixels in zip(done.ascents, done.drawn, strict=True)
    ]


def _write_trajectories(path: Path, ascents: Sequence[Ascent]) -> None:
    kept = {ascent.method: ascent.trajectory for ascent in ascents if ascent.trajectory is not None}
    if kept:
        save_file({str(method): states.contiguous() for method, states in kept.items()}, path)


def _card(role: str, work: Inversion) -> InversionCard:
    return InversionCard(
        model=role,
        moves=tuple((row.t_source, row.t_destination) for row in work.inverter.table.rows),
        pictures=tuple(
            InvertedPicture(target.picture.image_id, target.prompt, target.picture.extra)
            for target in work.targets
        ),
    )
