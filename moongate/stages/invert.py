"""Invert: DDIM inversion of the evaluation pictures, plain and refined, with its error measured."""

from dataclasses import dataclass
from pathlib import Path

from moongate.artifacts.inverted import METHODS
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef, ImageSetRef, InversionsRef, LatentSetRef
from moongate.artifacts.store import BuildFacts, Obtained
from moongate.config import InvertConfig
from moongate.models.footprint import FLOAT32, FLOAT64, Footprint
from moongate.models.source import BaseSource
from moongate.settings import Settings
from moongate.stages.context import StageContext

STAGE = "invert"
REVISION = 2


@dataclass(frozen=True)
class InvertInputs:
    """What is inverted under which model.

    Attributes:
        base: the base model.
        precision: arithmetic inside the UNet.
        images: the pictures, as ingested.
        latents: the same pictures in the cache, with the prompts that they are inverted with.
        adapter: what was tuned; None = the base model itself.
    """

    base: BaseSource
    precision: str
    images: ImageSetRef
    latents: LatentSetRef
    adapter: AdapterRef | None = None


class InvertSettings(Settings):
    """What decides the inversions; how many are inverted at once does not."""

    precision: str
    steps: int
    refinement_iterations: int
    tolerance: float
    store_trajectory: bool
    num_images: int


def _room_of_one(config: InvertConfig, base: BaseSource) -> int:
    """Return the most bytes that a picture takes: three PNGs, z_T and maybe its way there, by each method."""
    size = Footprint.of(base)
    way = config.steps * size.latent if config.store_trajectory else 0
    return len(METHODS) * (3 * size.picture + size.latent * FLOAT64 // FLOAT32 + way)


def recipe(config: InvertConfig, inputs: InvertInputs) -> Recipe[InversionsRef]:
    """Return the recipe of the inversions."""
    settings = InvertSettings(precision=inputs.precision, **config.model_dump(exclude={"batch_size"}))
    digests = [
        ("base", inputs.base.digest()),
        ("images", inputs.images.digest),
        ("latents", inputs.latents.digest),
    ]
    if inputs.adapter is not None:
        digests.append(("adapter", inputs.adapter.digest))
    return Recipe(STAGE, REVISION, settings, tuple(digests), InversionsRef)


def invert(config: InvertConfig, inputs: InvertInputs, context: StageContext) -> Obtained[InversionsRef]:
    """Invert pictures at guidance 1, draw them again, and measure what was lost.

    See `moongate.artifacts.inverted` for the files and their reader.

    Raises:
        InputError: when the latents are not those of the pictures, or a prompt is too long for the model.
        ModelError: when the model cannot be used, or its schedule cannot be inverted.
        NumericsError: when latents stop being finite; it names the pictures.
        StopError: after a batch, when the process was asked to stop.
    """
    recipe_ = recipe(config, inputs)

    def build(folder: Path) -> BuildFacts:
        from moongate.inversions.inverter import Inverter
        from moongate.inversions.pictures import choose_targets
        from moongate.inversions.writing import write_inversions
        from moongate.models.stage_model import leased_model

        store, role = context.store, "tuned" if inputs.adapter else "base"
        adapter = store.folder(inputs.adapter) if inputs.adapter else None
        latents = LatentSet(store.folder(inputs.latents))
        targets = choose_targets(store.folder(inputs.images), latents, config.num_images)
        store.require_room(len(targets) * _room_of_one(config, inputs.base), STAGE)
        with leased_model(
            inputs.base, precision=inputs.precision, device=context.device, adapter=adapter
        ) as model:
            inverter = Inverter(model, config)
            finished = context.finished_batches(recipe_, model.device)
            write_inversions(folder, role, targets, latents, inverter, finished, context.progress)
            return BuildFacts(len(targets), inverter.counter.evaluations, str(model.device))

    return context.store.obtain(recipe_, build)
