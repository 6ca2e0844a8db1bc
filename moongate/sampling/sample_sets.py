"""The sample stage's work: from settings to a studio, and from planned pictures to `samples.parquet`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from torch import Tensor

from moongate.artifacts.batches import FinishedBatches
from moongate.artifacts.images import png_from_pixels
from moongate.artifacts.inverted import InversionSet
from moongate.artifacts.schemas import SAMPLES
from moongate.artifacts.tables import image_cell, open_table
from moongate.bad_items import BadItem
from moongate.config import OnBadItem
from moongate.diffusion.guidance import Guidance
from moongate.diffusion.samplers import Ddim, Ddpm, Sampler
from moongate.diffusion.schedule import timestep_table
from moongate.errors import ConfigError
from moongate.models.base import DiffusionModel
from moongate.progress import Progress
from moongate.prompts import TRUTH_COLUMNS
from moongate.sampling.drawing import Manner, NoiseKey, Order, Starts, Studio
from moongate.sampling.planning import (
    SAMPLES_NAME,
    PlannedPicture,
    SampleSettings,
    from_inversions,
    from_prompts,
)
from moongate.sampling.rendering import Pixels

PURPOSE = "sample"
_ROWS_AT_ONCE = 64
_DRAWING_COLUMNS = (
    "negative_prompt",
    "guidance",
    "guidance_rescale",
    "guidance_start",
    "guidance_stop",
    "steps",
    "sampler",
    "eta",
)


def sample_studio(
    model: DiffusionModel,
    settings: SampleSettings,
    batch_size: int,
    starts: Starts | None,
    finished: FinishedBatches,
    on_bad_item: OnBadItem,
) -> Studio:
    """Return what draws a sample set.

    Args:
        model: the base model, or a tuned one.
        settings: sampler, steps and guidance.
        batch_size: pictures drawn at once.
        starts: where the walk down begins; keyed noise when None.
        finished: batches of an interrupted drawing, and where this one keeps its own.
        on_bad_item: whether a picture that cannot be drawn ends the drawing.
    """
    guidance = Guidance(
        settings.guidance, settings.guidance_rescale, settings.guidance_start, settings.guidance_stop
    )
    manner = Manner(settings.steps, _sampler(settings), guidance, batch_size, settings.negative_prompt)
    return Studio(model, manner, NoiseKey(settings.seed, PURPOSE), starts, finished, on_bad_item=on_bad_item)


def plan(
    model: DiffusionModel, settings: SampleSettings, inversions: Path | None
) -> tuple[tuple[PlannedPicture, ...], Starts | None]:
    """Return the pictures of a sample set, and where they start from; None stands for noise.

    Args:
        model: decides the noise level that sampling starts from.
        settings: the prompts, or how captions become prompts.
        inversions: folder of inversions to start from, or None.

    Raises:
        ConfigError: when inverted latents are at another noise level than the one sampling starts from.
    """
    if inversions is None:
        return tuple(from_prompts(settings)), None
    inverted = InversionSet(inversions)
    return tuple(from_inversions(settings, inverted.card)), inverted_starts(model, settings, inverted)


def inverted_starts(model: DiffusionModel, settings: SampleSettings, inversions: InversionSet) -> Starts:
    """Return what looks up the refined z_T of planned pictures.

    Raises:
        ConfigError: when sampling would start at another noise level than the one that inversion ended at.
    """
    inverted_to = inversions.card.moves[0][0]
    starts_at = timestep_table(model.schedule, settings.steps).rows[0].t_source
    if inverted_to != starts_at:
        raise ConfigError(
            "the inverted latents are at another noise level than the one sampling starts from",
            where="invert.steps, sample.steps",
            why=f"{len(inversions.card.moves)} steps invert to level {inverted_to}, "
            f"{settings.steps} steps sample from level {starts_at}",
            fix="set sample.steps to invert.steps",
        )
    row_of = {
        f"{picture.image_id}-{settings.first_seed}": row
        for row, picture in enumerate(inversions.card.pictures)
    }

    def starts(orders: Sequence[Order]) -> Tensor:
        return inversions.z_T("fixed_point", [row_of[order.item] for order in orders])

    return starts


def orders_of(planned: Sequence[PlannedPicture]) -> list[Order]:
    """Return what a studio is told of planned pictures."""
    return [Order(picture.sample_id, picture.prompt) for picture in planned]


def write_samples(
    folder: Path,
    role: str,
    planned: Sequence[PlannedPicture],
    settings: SampleSettings,
    studio: Studio,
    progress: Progress,
) -> None:
    """Draw the planned pictures and write `samples.parquet` as they are finished.

    One that cannot be drawn gets a row that says why, unless that ends the drawing.

    Args:
        folder: where to.
        role: "base" or "tuned".
        planned: the pictures.
        settings: how they are drawn.
        studio: draws them.
        progress: told of every step of every picture.

    Raises:
        InputError: when a prompt is too long for the model, and bad items are not skipped.
        NumericsError: when latents stop being finite, and bad items are not skipped.
    """
    drawn = (found for _, found in studio.draw(orders_of(planned), progress, PURPOSE))
    rows = _rows(role, planned, settings, drawn)
    provenance = {"batch_size": str(studio.manner.batch_size)}
    with open_table(folder / SAMPLES_NAME, SAMPLES, provenance) as append:
        while part := list(islice(rows, _ROWS_AT_ONCE)):
            append(part)


def _rows(
    role: str, planned: Sequence[PlannedPicture], settings: SampleSettings, drawn: Iterator[Pixels | BadItem]
) -> Iterator[dict[str, object]]:
    how = {name: getattr(settings, name) for name in _DRAWING_COLUMNS}
    for picture, found in zip(planned, drawn, strict=True):
        row = asdict(picture.row)
        yield how | {
            "sample_id": picture.sample_id,
            "model": role,
            "prompt": picture.prompt,
            "seed": picture.seed,
            "source": picture.source,
            **{name: row[name] for name in ("prompt_id", "template", "kind", *TRUTH_COLUMNS)},
            **_outcome(found, f"{picture.sample_id}.png"),
        }


def _outcome(found: Pixels | BadItem, file_name: str) -> dict[str, object]:
    if isinstance(found, BadItem):
        return {"status": found.status, "reason": found.reason, "image": None}
    return {"status": "ok", "reason": "", "image": image_cell(png_from_pixels(found), file_name)}


def _sampler(settings: SampleSettings) -> Sampler:
    return Ddpm() if settings.sampler == "ddpm" else Ddim(settings.eta)
