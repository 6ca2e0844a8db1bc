"""Pictures of the plain class, for prior preservation."""

from collections.abc import Iterator

from moongate.artifacts.batches import FinishedBatches
from moongate.artifacts.digests import canonical_json
from moongate.artifacts.images import Picture
from moongate.bad_items import BadItem
from moongate.config import OnBadItem, PriorConfig
from moongate.diffusion.guidance import Guidance
from moongate.diffusion.samplers import Ddim
from moongate.models.base import DiffusionModel
from moongate.progress import Progress
from moongate.sampling.drawing import Manner, NoiseKey, Order, Studio

# A purpose of its own: the class pictures that are judged later must not start from the same noise.
PURPOSE = "prior"


def class_studio(
    model: DiffusionModel,
    config: PriorConfig,
    seed: int,
    finished: FinishedBatches,
    on_bad_item: OnBadItem,
) -> Studio:
    """Return what draws the class pictures: deterministic DDIM with guidance."""
    manner = Manner(config.steps, Ddim(), Guidance(config.guidance), config.batch_size)
    return Studio(model, manner, NoiseKey(seed, PURPOSE), finished=finished, on_bad_item=on_bad_item)


def class_orders(prompt: str, config: PriorConfig) -> list[Order]:
    """Return one order a seed."""
    return [Order(f"seed-{seed:06d}", prompt) for seed in _seeds(config)]


def draw_class_pictures(
    studio: Studio, prompt: str, config: PriorConfig, progress: Progress, bad: list[BadItem]
) -> Iterator[Picture]:
    """Yield one picture a seed, its prompt as the caption and its seed among the metadata.

    One that cannot be drawn is appended to `bad` instead.
    """
    drawn = studio.draw(class_orders(prompt, config), progress, PURPOSE)
    for seed, (order, pixels) in zip(_seeds(config), drawn, strict=True):
        if isinstance(pixels, BadItem):
            bad.append(pixels)
            continue
        yield Picture.from_pixels(
            pixels,
            image_id=order.item,
            file_name=f"{order.item}.png",
            text=order.prompt,
            extra=canonical_json({"seed": seed}),
        )


def _seeds(config: PriorConfig) -> range:
    return range(config.first_seed, config.first_seed + config.num_images)
