"""Invert: DDIM inversion of the evaluation pictures, plain and refined, with its error measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moongate.artifacts.images import read_side
from moongate.artifacts.inverted import INVERSIONS_NAME, METHODS
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef, ImageSetRef, InversionsRef, LatentSetRef
from moongate.artifacts.shards import Shard, ShardDone
from moongate.artifacts.store import BuildFacts, Obtained, Store
from moongate.bad_items import BadItem, accounted, read_bad_items, require_some
from moongate.config import InvertConfig, OnBadItem
from moongate.models.footprint import FLOAT32, FLOAT64, Footprint
from moongate.models.source import BaseSource
from moongate.settings import Settings
from moongate.stages.context import StageContext

if TYPE_CHECKING:
    from moongate.inversions.inversion import Inversion

STAGE = "invert"
REVISION = 3


@dataclass(frozen=True)
class InvertInputs:
    """What is inverted under which model.

    Attributes:
        base: the base model.
        precision: arithmetic inside the UNet.
        images: the pictures, as ingested.
        latents: the same pictures in the cache, with the prompts that they are inverted with.
        adapter: what was tuned; None = the base model itself.
        on_bad_item: whether a picture whose latents stop being finite ends the stage.
    """

    base: BaseSource
    precision: str
    images: ImageSetRef
    latents: LatentSetRef
    adapter: AdapterRef | None = None
    on_bad_item: OnBadItem = "stop"


class InvertSettings(Settings):
    """What decides the inversions; how many are inverted at once does not."""

    precision: str
    steps: int
    refinement_iterations: int
    tolerance: float
    store_trajectory: bool
    num_images: int


def _room_of_one(config: InvertConfig, size: Footprint) -> tuple[int, int]:
    """Return the most bytes that a picture takes in the artifact, and in its batch.

    It has in the artifact three PNGs, z_T and maybe its way there, by each method; in its batch the
    picture's round trip once, and by each method what was drawn, both ends of the way, and the way itself.
    """
    way = config.steps * size.latent if config.store_trajectory else 0
    z_T, z_0 = size.latent * FLOAT64 // FLOAT32, size.latent
    artifact = len(METHODS) * (3 * size.picture + z_T + way)
    return artifact, size.picture + len(METHODS) * (size.picture + z_T + z_0 + way)


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

    See `moongate.artifacts.inverted` for the files and their reader. A picture that cannot be inverted has
    rows with its status and no values, where bad items are skipped, and no latent.

    Raises:
        InputError: when the latents are not those of the pictures, or a prompt is too long for the model.
        ModelError: when the model cannot be used, or its schedule cannot be inverted.
        NumericsError: when latents stop being finite, and bad items are not skipped, or none is sound; it
            names the pictures.
        StopError: after a batch, when the process was asked to stop.
    """
    recipe_ = recipe(config, inputs)

    def build(folder: Path) -> BuildFacts:
        from moongate.inversions.writing import write_inversions

        role = "tuned" if inputs.adapter else "base"
        with _prepared(config, inputs, context) as work:
            write_inversions(folder, role, work, context.progress)
            chosen = len(work.choice.targets) + len(work.choice.lost)
            require_some(chosen, [*_bad_items(folder), *(lost.bad for lost in work.choice.lost)], STAGE)
            return BuildFacts(chosen, work.evaluations, work.device)

    obtained = context.store.obtain(recipe_, build)
    return accounted(obtained, _bad_items(context.store.folder(obtained.ref)), inputs.on_bad_item, STAGE)


def _bad_items(folder: Path) -> tuple[BadItem, ...]:
    return read_bad_items(folder / INVERSIONS_NAME, "image_id")


def num_items(config: InvertConfig, inputs: InvertInputs, store: Store) -> int:
    """Return the number of pictures to invert; fewer are, when the cache has left some out."""
    cached = len(LatentSet(store.folder(inputs.latents)))
    return min(config.num_images or cached, cached)


def do_shard(config: InvertConfig, inputs: InvertInputs, shard: Shard, context: StageContext) -> ShardDone:
    """Invert the pictures of a shard, for `invert` to find them finished.

    Raises:
        MoongateError, StopError: as `invert` does.
    """

    def compute() -> ShardDone:
        with _prepared(config, inputs, context) as work:
            batches = work.invert_shard(shard, context.progress)
            return ShardDone(batches, work.evaluations, work.device)

    return context.store.share(recipe(config, inputs), shard, compute)


@contextmanager
def _prepared(config: InvertConfig, inputs: InvertInputs, context: StageContext) -> "Iterator[Inversion]":
    """Yield the pictures and what inverts them, on a leased device."""
    from moongate.inversions.inversion import Inversion
    from moongate.inversions.inverter import Inverter
    from moongate.inversions.pictures import choose_targets
    from moongate.models.stage_model import leased_model

    store = context.store
    adapter = store.folder(inputs.adapter) if inputs.adapter else None
    latents = LatentSet(store.folder(inputs.latents))
    images = store.folder(inputs.images)
    choice = choose_targets(images, latents, config.num_images)
    recipe_, count = recipe(config, inputs), len(choice.targets)
    artifact, batch = _room_of_one(config, Footprint.of(inputs.base).at(read_side(images)))
    context.require_room(recipe_, artifact=count * artifact, batches=count * batch)
    with leased_model(
        inputs.base, precision=inputs.precision, device=context.device, adapter=adapter
    ) as model:
        finished = context.finished_batches(recipe_, model.device)
        yield Inversion(choice, latents, Inverter(model, config), finished, inputs.on_bad_item)
