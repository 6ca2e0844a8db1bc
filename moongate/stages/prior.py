"""Prior: the frozen base model draws pictures of the plain class, one seed each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moongate.artifacts.images import write_images
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.shards import Shard, ShardDone
from moongate.artifacts.store import BuildFacts, Obtained, Store
from moongate.bad_items import BadItem, accounted, read_left_out, require_some, write_left_out
from moongate.config import OnBadItem, PriorConfig
from moongate.models.footprint import Footprint
from moongate.models.source import BaseSource
from moongate.settings import Settings
from moongate.stages.context import StageContext

if TYPE_CHECKING:
    from moongate.sampling.drawing import Studio

STAGE = "prior"
REVISION = 1


@dataclass(frozen=True)
class PriorInputs:
    """What the class pictures are drawn from.

    Attributes:
        base: the frozen model.
        precision: arithmetic inside the UNet.
        prompt: the class prompt, "a duck".
        seed: the run's seed.
        on_bad_item: whether a picture that cannot be drawn ends the stage.
    """

    base: BaseSource
    precision: str
    prompt: str
    seed: int
    on_bad_item: OnBadItem = "stop"


class PriorSettings(Settings):
    """What decides the class pictures; how many are drawn at once does not."""

    prompt: str
    precision: str
    seed: int
    first_seed: int
    num_images: int
    steps: int
    guidance: float


def recipe(config: PriorConfig, inputs: PriorInputs) -> Recipe[ImageSetRef]:
    """Return the recipe of the class pictures."""
    settings = PriorSettings(
        prompt=inputs.prompt,
        precision=inputs.precision,
        seed=inputs.seed,
        **config.model_dump(include={"first_seed", "num_images", "steps", "guidance"}),
    )
    return Recipe(STAGE, REVISION, settings, (("base", inputs.base.digest()),), ImageSetRef)


def prior(config: PriorConfig, inputs: PriorInputs, context: StageContext) -> Obtained[ImageSetRef]:
    """Draw the class pictures: an image set like one that was ingested, with the prompt as every caption.

    Raises:
        InputError: when the prompt is too long for the model.
        ModelError: when the base model cannot be used.
        NumericsError: when a picture's latents stop being finite, and bad items are not skipped, or none is
            sound.
        StopError: after a batch, when the process was asked to stop.
    """
    recipe_ = recipe(config, inputs)

    def build(folder: Path) -> BuildFacts:
        from moongate.sampling.class_pictures import draw_class_pictures

        with _prepared(config, inputs, context) as studio:
            bad: list[BadItem] = []
            pictures = draw_class_pictures(studio, inputs.prompt, config, context.progress, bad)
            write_images(folder, pictures, {"batch_size": str(config.batch_size)})
            require_some(config.num_images, bad, STAGE)
            write_left_out(folder, bad)
            return BuildFacts(config.num_images, studio.counter.evaluations, str(studio.model.device))

    obtained = context.store.obtain(recipe_, build)
    left_out = read_left_out(context.store.folder(obtained.ref))
    return accounted(obtained, left_out, inputs.on_bad_item, STAGE)


def num_items(config: PriorConfig, inputs: PriorInputs, store: Store) -> int:
    """Return the number of class pictures."""
    return config.num_images


def do_shard(config: PriorConfig, inputs: PriorInputs, shard: Shard, context: StageContext) -> ShardDone:
    """Draw the pictures of a shard, for `prior` to find them finished.

    Raises:
        MoongateError, StopError: as `prior` does.
    """

    def compute() -> ShardDone:
        from moongate.sampling.class_pictures import PURPOSE, class_orders

        with _prepared(config, inputs, context) as studio:
            orders = class_orders(inputs.prompt, config)
            batches = studio.draw_shard(orders, shard, context.progress, PURPOSE)
            return ShardDone(batches, studio.counter.evaluations, str(studio.model.device))

    return context.store.share(recipe(config, inputs), shard, compute)


@contextmanager
def _prepared(config: PriorConfig, inputs: PriorInputs, context: StageContext) -> "Iterator[Studio]":
    """Yield what draws the class pictures, on a leased device."""
    from moongate.models.stage_model import leased_model
    from moongate.sampling.class_pictures import class_studio

    recipe_, pictures = recipe(config, inputs), config.num_images * Footprint.of(inputs.base).picture
    context.require_room(recipe_, artifact=pictures, batches=pictures)
    with leased_model(inputs.base, precision=inputs.precision, device=context.device) as model:
        finished = context.finished_batches(recipe_, model.device)
        yield class_studio(model, config, inputs.seed, finished, inputs.on_bad_item)
