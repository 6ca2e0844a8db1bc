"""Cache: every picture's VAE posterior, and the base model's embedding of every prompt, computed once."""

from dataclasses import dataclass
from pathlib import Path

from moongate.artifacts.images import count_images, read_captions, read_side
from moongate.artifacts.latents import LatentWriter, write_prompts
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef, LatentSetRef
from moongate.artifacts.store import BuildFacts, Obtained
from moongate.bad_items import (
    BadItem,
    accounted,
    read_left_out,
    require_some,
    sound_ones,
    write_left_out,
)
from moongate.config import CacheConfig, OnBadItem
from moongate.models.footprint import Footprint
from moongate.models.source import BaseSource
from moongate.settings import Settings
from moongate.stages.context import StageContext
from moongate.subject import SubjectConfig

STAGE = "cache"
REVISION = 2


@dataclass(frozen=True)
class CacheInputs:
    """What is encoded, by which model.

    Attributes:
        images: the pictures.
        base: its VAE and text encoder encode, in float32 always.
        subject: whose `instance_prompt` the pictures are trained with; None = each picture's own caption.
        on_bad_item: whether a picture that cannot be encoded ends the stage. Without one of its few
            pictures a subject would be another one, so for those it should.
    """

    images: ImageSetRef
    base: BaseSource
    subject: SubjectConfig | None = None
    on_bad_item: OnBadItem = "stop"

    def prompt_of(self, caption: str) -> str:
        """Return the prompt that goes with a picture of this caption."""
        return self.subject.instance_text(caption) if self.subject else caption


class CacheSettings(Settings):
    """What decides a latent set. Batches and shards are only how it is computed and laid out."""

    instance_prompt: str
    identifier: str | None
    class_noun: str | None


def recipe(config: CacheConfig, inputs: CacheInputs) -> Recipe[LatentSetRef]:
    """Return the recipe of the latent set; nothing in `config` changes what it means."""
    subject = inputs.subject
    settings = CacheSettings(
        instance_prompt=subject.instance_prompt if subject else "{caption}",
        identifier=subject.identifier if subject else None,
        class_noun=subject.class_noun if subject else None,
    )
    digests = (("base", inputs.base.digest()), ("images", inputs.images.digest))
    return Recipe(STAGE, REVISION, settings, digests, LatentSetRef)


def cache(config: CacheConfig, inputs: CacheInputs, context: StageContext) -> Obtained[LatentSetRef]:
    """Encode an image set; see `moongate.artifacts.latents` for the files and their reader.

    Raises:
        InputError: when a prompt is too long for the model, or a caption cannot take the identifier.
        ModelError: when the base model cannot be used.
        NumericsError: when a latent is not finite, and bad items are not skipped, or none is sound; it names
            the pictures.
        StopError: after a batch, when the process was asked to stop.
    """
    recipe_ = recipe(config, inputs)

    def build(folder: Path) -> BuildFacts:
        from moongate.models.encoding import embed_captions, encode_pictures
        from moongate.models.stage_model import leased_model

        images = context.store.folder(inputs.images)
        _require_room(inputs, images, recipe_, context)
        with leased_model(inputs.base, precision="float32", device=context.device) as model:
            book = embed_captions(model, images, inputs.prompt_of)
            write_prompts(folder, book.prompts, book.embeddings)
            finished = context.finished_batches(recipe_, model.device)
            writer = LatentWriter(folder, config.shard_rows, book.prompts)
            count, bad = count_images(images), list[BadItem]()
            with context.progress.track(STAGE, count) as advance:
                found = encode_pictures(model, images, config.batch_size, finished, inputs.on_bad_item)
                for encoded in sound_ones(found, bad):
                    picture = encoded.picture
                    prompt = inputs.prompt_of(picture.text)
                    writer.add(picture.image_id, picture.sha256, prompt, encoded.mean, encoded.std)
                    advance(1)
            require_some(count, bad, STAGE)
            write_left_out(folder, bad)
            writer.finish(_provenance(config, inputs))
            return BuildFacts(count, device=str(model.device))

    obtained = context.store.obtain(recipe_, build)
    left_out = read_left_out(context.store.folder(obtained.ref))
    return accounted(obtained, left_out, inputs.on_bad_item, STAGE)


def _require_room(
    inputs: CacheInputs, images: Path, recipe_: Recipe[LatentSetRef], context: StageContext
) -> None:
    """Ask for room for what the set takes: a mean and a deviation a picture, an embedding a prompt."""
    size = Footprint.of(inputs.base).at(read_side(images))
    posteriors = count_images(images) * 2 * size.latent
    embeddings = len(set(read_captions(images))) * size.embedding
    context.require_room(recipe_, artifact=posteriors + embeddings, batches=posteriors)


def _provenance(config: CacheConfig, inputs: CacheInputs) -> dict[str, str]:
    return {
        "base_digest": inputs.base.digest(),
        "image_set": inputs.images.digest,
        "batch_size": str(config.batch_size),
    }
