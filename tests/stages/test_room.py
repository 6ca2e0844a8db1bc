"""What a stage asks for on the disk is enough for its artifact and all that lies beside it until then."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from moongate.artifacts.images import Picture, write_images
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.room import bytes_in
from moongate.artifacts.shards import shards
from moongate.artifacts.store import Store
from moongate.config import CacheConfig, EvaluateConfig, InvertConfig, PriorConfig, SampleConfig
from moongate.models.source import BaseSource
from moongate.prompts import PromptRow
from moongate.settings import Settings
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.context import StageContext
from moongate.stages.evaluate import EvaluateInputs, evaluate
from moongate.stages.invert import InvertInputs, invert
from moongate.stages.prior import PriorInputs, do_shard, num_items, prior
from moongate.stages.sample import SampleInputs, sample
from moongate.subject import SubjectConfig
from tests.evaluation_material import image_set, sample_set

COUNT = 24
# Headers of files and columns of tables: what the margin is for that is asked for besides.
HEADERS_BYTES = 16 * 1024


class MeasuredStore(Store):
    """Notes what a build asks for, and what it has taken when it is done and nothing is removed yet."""

    asked = taken = kept = 0

    def require_room(self, needed, stage):
        self.asked = needed
        super().require_room(needed, stage)

    def obtain(self, recipe, build):
        def measured(folder):
            facts = build(folder)
            self.taken, self.kept = bytes_in(folder), bytes_in(self.scratch(recipe))
            return facts

        return super().obtain(recipe, measured)


class Made(Settings):
    by: str = "noise"


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    return StageContext(MeasuredStore(tmp_path / "store"), device="cpu")


def noise(seed: int, side: int = 32) -> np.ndarray:
    """A picture that cannot be compressed, (side, side, 3)."""
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (side, side, 3), dtype=np.uint8)


def put_noise(context: StageContext, side: int = 32) -> ImageSetRef:
    pictures = [
        Picture.from_pixels(noise(n, side), image_id=f"p{n}", file_name=f"{n}.png", text=f"a duck {n}")
        for n in range(COUNT)
    ]
    recipe = Recipe("ingest", 1, Made(), (), ImageSetRef)
    return context.store.obtain(recipe, lambda folder: write_images(folder, pictures)).ref


def caching(base: BaseSource, context: StageContext) -> None:
    cache(CacheConfig(batch_size=8), CacheInputs(put_noise(context), base), context)


def caching_pictures_larger_than_the_models(base: BaseSource, context: StageContext) -> None:
    cache(CacheConfig(batch_size=8), CacheInputs(put_noise(context, 64), base), context)


PRIOR = PriorConfig(num_images=COUNT, steps=2, batch_size=8)


def class_pictures(base: BaseSource) -> PriorInputs:
    return PriorInputs(base=base, precision="float32", prompt="a duck", seed=0)


def drawing_class_pictures(base: BaseSource, context: StageContext) -> None:
    prior(PRIOR, class_pictures(base), context)


def sampling(base: BaseSource, context: StageContext) -> None:
    subject = SubjectConfig(class_noun="duck", identifier="sks")
    prompts = (PromptRow("snow", "a {subject} in the snow", "recontextualization"),)
    inputs = SampleInputs(base=base, precision="float32", subject=subject, seed=0, prompts=prompts)
    sample(SampleConfig(steps=2, seeds_per_prompt=COUNT, batch_size=8), inputs, context)


def inverting(base: BaseSource, context: StageContext) -> None:
    images = put_noise(context)
    latents = cache(CacheConfig(), CacheInputs(images, base), context).ref
    config = InvertConfig(steps=3, batch_size=8, num_images=0)
    invert(config, InvertInputs(base, "float32", images, latents), context)


def inverting_with_trajectories(base: BaseSource, context: StageContext) -> None:
    images = put_noise(context)
    latents = cache(CacheConfig(), CacheInputs(images, base), context).ref
    config = InvertConfig(steps=3, batch_size=8, num_images=0, store_trajectory=True)
    invert(config, InvertInputs(base, "float32", images, latents), context)


def evaluating(base: BaseSource, context: StageContext) -> None:
    train, tuned, plain = ([noise(100 * n + m) for m in range(4 * COUNT)] for n in range(3))
    inputs = EvaluateInputs(
        base=base,
        class_noun="duck",
        train=image_set(context.store, "train", train),
        tuned_samples=sample_set(context.store, "tuned", "tuned", {"a {subject} in snow": tuned}),
        base_samples=sample_set(context.store, "base", "base", {"a {subject} in snow": plain}),
    )
    # With the bundled extractors, whose features are wide enough to outweigh what is said of a picture.
    evaluate(EvaluateConfig(bootstrap_draws=200, batch_size=8), inputs, context)


@pytest.mark.parametrize(
    "stage",
    [
        caching,
        caching_pictures_larger_than_the_models,
        drawing_class_pictures,
        sampling,
        inverting,
        inverting_with_trajectories,
        evaluating,
    ],
    ids=lambda stage: stage.__name__,
)
def test_an_artifact_and_the_batches_beside_it_take_no_more_than_was_asked_for(
    stage: Callable[[BaseSource, StageContext], None], base: BaseSource, context: StageContext
) -> None:
    stage(base, context)
    store = context.store
    assert store.kept > HEADERS_BYTES, "too little lies beside the artifact to show in a sum"
    assert store.taken + store.kept <= store.asked + HEADERS_BYTES


def test_batches_that_are_there_already_are_not_asked_for_again(
    base: BaseSource, context: StageContext
) -> None:
    inputs, store = class_pictures(base), context.store
    first, second = shards(num_items(PRIOR, inputs, store), PRIOR.batch_size, workers=2)
    do_shard(PRIOR, inputs, first, context)
    at_first, present = store.asked, bytes_in(store.root / "scratch")
    do_shard(PRIOR, inputs, second, context)
    assert present > 0
    assert store.asked == at_first - present
