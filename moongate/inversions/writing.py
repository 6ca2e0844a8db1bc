"""The invert stage's files, written a batch at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from moongate.artifacts.inverted import (
    INVERSIONS_NAME,
    LATENTS_NAME,
    METHODS,
    InversionCard,
    InvertedPicture,
    Method,
)
from moongate.artifacts.schemas import INVERSIONS
from moongate.artifacts.tables import open_table
from moongate.inversions.inversion import Inversion, where_of
from moongate.inversions.inverter import Ascent
from moongate.inversions.keeping import InvertedBatch
from moongate.inversions.measuring import Measured, row_without_values
from moongate.inversions.pictures import Lost, Target
from moongate.models.finite import not_finite
from moongate.progress import Progress


def write_inversions(folder: Path, role: str, work: Inversion, progress: Progress) -> None:
    """Invert pictures and write the files described in `moongate.artifacts.inverted`.

    One that cannot be inverted has rows that say why, and no latent.

    Args:
        folder: where to.
        role: "base" or "tuned".
        work: the pictures and what inverts them.
        progress: told of every step of every picture and walk.

    Raises:
        InputError: when a prompt is too long for the model.
        NumericsError: when latents stop being finite, and bad items are not skipped.
        StopError: after a batch, when the process was asked to stop.
    """
    kept, steps = _Kept(), len(work.inverter.table)
    provenance = {"batch_size": str(work.inverter.config.batch_size)}
    with open_table(folder / INVERSIONS_NAME, INVERSIONS, provenance) as append:
        for number, (batch, done) in enumerate(work.invert(progress)):
            append(_rows(batch, done, steps, role))
            sound = kept.add(batch, done.ascents)
            _write_trajectories(folder / f"trajectory-{number:05d}.safetensors", done.ascents, sound)
        append([row for lost in work.choice.lost for row in _lost_rows(lost, role, steps)])
    save_file({method: torch.cat(parts) for method, parts in kept.z_T.items()}, folder / LATENTS_NAME)
    _card(role, kept.targets, work).write(folder)


class _Kept:
    """The pictures that were inverted by every method, and their latents.

    Attributes:
        targets: in order.
        z_T: (B', C, h, w) float64 on the CPU of each batch, by method.
    """

    def __init__(self) -> None:
        self.targets: list[Target] = []
        self.z_T: dict[Method, list[Tensor]] = {}

    def add(self, batch: Sequence[Target], ascents: Sequence[Ascent]) -> Tensor:
        """Keep what is sound of a batch, and return its rows, (B',) int64."""
        sound = [all(marks) for marks in zip(*(ascent.sound() for ascent in ascents), strict=True)]
        rows = torch.tensor(sound).nonzero().flatten()
        self.targets += [batch[row] for row in rows.tolist()]
        for ascent in ascents:
            self.z_T.setdefault(ascent.method, []).append(ascent.z_T.cpu()[rows])
        return rows


def _rows(batch: Sequence[Target], done: InvertedBatch, steps: int, role: str) -> list[dict[str, object]]:
    """Return the rows of a batch, the methods of a picture beside each other."""
    measured = list(zip(done.ascents, done.drawn, (ascent.sound() for ascent in done.ascents), strict=True))
    return [
        Measured(target, done.floor[index], pixels[index]).row(ascent, index, model=role, steps=steps)
        if sound[index]
        else _unsound_row(target, ascent, index, role, steps)
        for index, target in enumerate(batch)
        for ascent, pixels, sound in measured
    ]


def _unsound_row(target: Target, ascent: Ascent, index: int, role: str, steps: int) -> dict[str, object]:
    bad = not_finite(target.picture.image_id, where_of(ascent.method))
    evaluations = int(ascent.evaluations[index])
    return row_without_values(
        target.picture, target.prompt, bad, ascent.method, model=role, steps=steps, unet_evals=evaluations
    )


def _lost_rows(lost: Lost, role: str, steps: int) -> Iterator[dict[str, object]]:
    picture = lost.picture
    for method in METHODS:
        yield row_without_values(
            picture, picture.text, lost.bad, method, model=role, steps=steps, unet_evals=0
        )


def _write_trajectories(path: Path, ascents: Sequence[Ascent], rows: Tensor) -> None:
    kept = {ascent.method: ascent.trajectory for ascent in ascents if ascent.trajectory is not None}
    if kept:
        save_file({str(method): states[rows].contiguous() for method, states in kept.items()}, path)


def _card(role: str, targets: Sequence[Target], work: Inversion) -> InversionCard:
    return InversionCard(
        model=role,
        moves=tuple((row.t_source, row.t_destination) for row in work.inverter.table.rows),
        pictures=tuple(
            InvertedPicture(target.picture.image_id, target.prompt, target.picture.extra)
            for target in targets
        ),
    )
