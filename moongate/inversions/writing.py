"""The invert stage's files, written a batch at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.inverted import (
    INVERSIONS_NAME,
    LATENTS_NAME,
    METHODS,
    InversionCard,
    InvertedPicture,
    Method,
)
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.schemas import INVERSIONS
from moongate.artifacts.tables import open_table
from moongate.bad_items import GO_ON
from moongate.config import OnBadItem
from moongate.inversions.inverter import WALKS, Advance, Ascent, Inverter
from moongate.inversions.keeping import InvertedBatch
from moongate.inversions.measuring import Measured, row_without_values
from moongate.inversions.pictures import Choice, Lost, Target
from moongate.models.finite import finite_rows, not_finite, not_finite_error, zeroed
from moongate.models.latents import to_mean_latents
from moongate.models.prompt_book import PromptBook
from moongate.progress import Progress
from moongate.sampling.rendering import render


def write_inversions(
    folder: Path,
    role: str,
    choice: Choice,
    latents: LatentSet,
    inverter: Inverter,
    finished: FinishedBatches,
    on_bad_item: OnBadItem,
    progress: Progress,
) -> None:
    """Invert pictures and write the files described in `moongate.artifacts.inverted`.

    One that cannot be inverted has rows that say why, and no latent.

    Args:
        folder: where to.
        role: "base" or "tuned".
        choice: the pictures.
        latents: where their posterior means are.
        inverter: the model and the method.
        finished: batches of an interrupted inversion, and where this one keeps its own.
        on_bad_item: whether a picture whose latents stop being finite ends the inversion.
        progress: told of every step of every picture and walk.

    Raises:
        InputError: when a prompt is too long for the model.
        NumericsError: when latents stop being finite, and bad items are not skipped.
        StopError: after a batch, when the process was asked to stop.
    """
    size, steps, targets = inverter.config.batch_size, len(inverter.table), choice.targets
    book = PromptBook(inverter.model, (target.prompt for target in targets))
    kept = _Kept()
    with (
        progress.track("invert", len(targets) * steps * WALKS) as advance,
        open_table(folder / INVERSIONS_NAME, INVERSIONS, {"batch_size": str(size)}) as append,
    ):
        for number, first in enumerate(range(0, len(targets), size)):
            batch = targets[first : first + size]
            done = _inverted(batch, latents, book, inverter, finished, advance)
            if on_bad_item == "stop":
                _refuse_unsound(batch, done.ascents)
            append(_rows(batch, done, inverter, role))
            sound = kept.add(batch, done.ascents)
            _write_trajectories(folder / f"trajectory-{number:05d}.safetensors", done.ascents, sound)
        append([row for lost in choice.lost for row in _lost_rows(lost, role, steps)])
    save_file({method: torch.cat(parts) for method, parts in kept.z_T.items()}, folder / LATENTS_NAME)
    _card(role, kept.targets, inverter).write(folder)


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


def _refuse_unsound(batch: Sequence[Target], ascents: Sequence[Ascent]) -> None:
    for ascent in ascents:
        marks = zip(batch, ascent.sound(), strict=True)
        if unsound := [target.picture.image_id for target, is_finite in marks if not is_finite]:
            raise not_finite_error(
                unsound,
                len(batch),
                where=_where(ascent.method),
                fix=f"use base.precision=float32, or more steps, {GO_ON}",
            )


def _where(method: Method) -> str:
    return f"invert, method {method}"


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
    done = _invert_batch(batch, latents, book, inverter, advance)
    facts = {"unet_evals": inverter.counter.evaluations - before}
    finished.publish(names, Batch(done.arrays(), facts))
    return done


def _invert_batch(
    batch: Sequence[Target],
    latents: LatentSet,
    book: PromptBook,
    inverter: Inverter,
    advance: Advance,
) -> InvertedBatch:
    model = inverter.model
    means = latents.means([target.row for target in batch]).to(model.device)
    z_0 = to_mean_latents(means, model.scaling_factor)
    embeddings = book.of([target.prompt for target in batch])
    floor = render(model, zeroed(z_0, finite_rows(z_0)))
    ascents = inverter.ascents(z_0, embeddings, advance)
    drawn = (render(model, zeroed(ascent.z_0, finite_rows(ascent.z_0))) for ascent in ascents)
    return InvertedBatch(floor, ascents, tuple(drawn))


def _rows(
    batch: Sequence[Target], done: InvertedBatch, inverter: Inverter, role: str
) -> list[dict[str, object]]:
    """Return the rows of a batch, the methods of a picture beside each other."""
    steps = len(inverter.table)
    measured = list(zip(done.ascents, done.drawn, (ascent.sound() for ascent in done.ascents), strict=True))
    return [
        Measured(target, done.floor[index], pixels[index]).row(ascent, index, model=role, steps=steps)
        if sound[index]
        else _unsound_row(target, ascent, index, role, steps)
        for index, target in enumerate(batch)
        for ascent, pixels, sound in measured
    ]


def _unsound_row(target: Target, ascent: Ascent, index: int, role: str, steps: int) -> dict[str, object]:
    bad = not_finite(target.picture.image_id, _where(ascent.method))
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


def _card(role: str, targets: Sequence[Target], inverter: Inverter) -> InversionCard:
    return InversionCard(
        model=role,
        moves=tuple((row.t_source, row.t_destination) for row in inverter.table.rows),
        pictures=tuple(
            InvertedPicture(target.picture.image_id, target.prompt, target.picture.extra)
            for target in targets
        ),
    )
