"""What shards leave behind is what the build would have computed, to the byte, and nothing is left to do."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from moongate.artifacts.rebuilding import Rebuilding
from moongate.artifacts.shards import NOTHING_TO_DO, Shard, shards
from moongate.config import CacheConfig, InvertConfig, PriorConfig, SampleConfig
from moongate.progress import Silent
from moongate.prompts import PromptRow
from moongate.stages import cache, invert, prior, sample
from moongate.stages.context import StageContext
from moongate.subject import SubjectConfig

PROMPTS = (PromptRow("snow", "a {subject} in the snow", "recontextualization"),)
SAMPLE = SampleConfig(steps=2, seeds_per_prompt=5, batch_size=2)
INVERT = InvertConfig(steps=2, refinement_iterations=2, batch_size=2, num_images=0)
PRIOR = PriorConfig(num_images=5, steps=2, batch_size=2)


def sampled(base, context, put_images):
    subject = SubjectConfig(class_noun="duck", identifier="sks")
    return sample, SAMPLE, sample.SampleInputs(base, "float32", subject, seed=0, prompts=PROMPTS)


def inverted(base, context, put_images):
    images = put_images(context)
    latents = cache.cache(CacheConfig(), cache.CacheInputs(images, base), context).ref
    return invert, INVERT, invert.InvertInputs(base, "float32", images, latents)


def drawn(base, context, put_images):
    return prior, PRIOR, prior.PriorInputs(base, "float32", "a duck", seed=0)


def files(context: StageContext, ref) -> dict[str, str]:
    return {file.name: file.sha256 for file in context.store.manifest(ref).files}


@pytest.mark.parametrize("made", [sampled, inverted, drawn])
def test_an_artifact_made_from_shards_is_that_of_an_undivided_build(
    made: Callable, base, new_context: Callable[[], StageContext], put_images
) -> None:
    whole, divided = new_context(), new_context()
    module, config, inputs = made(base, whole, put_images)
    made(base, divided, put_images)
    perform = getattr(module, module.STAGE)
    undivided = perform(config, inputs, whole)

    parts = shards(module.num_items(config, inputs, divided.store), config.batch_size, workers=2)
    done = [module.do_shard(config, inputs, part, divided) for part in parts]
    assert [share.batches for share in done] == [2, 1]
    assert sum(share.unet_evals for share in done) == undivided.facts.unet_evals

    found = perform(config, inputs, divided)
    assert files(divided, found.ref) == files(whole, undivided.ref)
    assert found.facts.unet_evals == undivided.facts.unet_evals


@pytest.mark.parametrize("made", [sampled, inverted, drawn])
def test_a_shard_of_what_another_run_has_published_is_not_computed(
    made: Callable, base, context: StageContext, put_images
) -> None:
    module, config, inputs = made(base, context, put_images)
    getattr(module, module.STAGE)(config, inputs, context)
    assert module.do_shard(config, inputs, Shard(0, 2), context) == NOTHING_TO_DO
    assert not (context.store.root / "scratch" / module.STAGE / module.recipe(config, inputs).digest).exists()


def test_a_shard_that_ends_after_another_run_has_published_leaves_nothing(
    base, context: StageContext, put_images
) -> None:
    module, config, inputs = drawn(base, context, put_images)
    recipe = module.recipe(config, inputs)

    class PublishesMeanwhile(Silent):
        """Stands for another run, which is done when this one begins to draw."""

        def track(self, description: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
            module.prior(config, inputs, replace(context, progress=Silent()))
            return super().track(description, total)

    done = module.do_shard(config, inputs, Shard(0, 2), replace(context, progress=PublishesMeanwhile()))
    assert done.batches == 2
    assert context.store.find(recipe)
    assert not (context.store.root / "scratch" / "prior" / recipe.digest).exists()


def test_a_second_build_that_is_forced_has_its_shards_computed(
    base, context: StageContext, put_images
) -> None:
    module, config, inputs = drawn(base, context, put_images)
    module.prior(config, inputs, context)
    again = replace(context, store=Rebuilding(context.store.root))
    assert module.do_shard(config, inputs, Shard(0, 2), again).batches == 2


def test_a_shard_that_is_done_again_computes_only_what_its_first_attempt_had_not_finished(
    base, context: StageContext, put_images
) -> None:
    module, config, inputs = drawn(base, context, put_images)
    first = Shard(0, 2)
    module.do_shard(config, inputs, first, context)
    (kept, lost) = finished_files(context, module.recipe(config, inputs))
    lost.unlink()
    before = kept.stat().st_mtime_ns
    module.do_shard(config, inputs, first, context)
    again = finished_files(context, module.recipe(config, inputs))
    assert [path.name for path in again] == [kept.name, lost.name]
    assert kept.stat().st_mtime_ns == before


def finished_files(context: StageContext, recipe) -> list[Path]:
    return sorted((context.store.scratch(recipe) / "batches").glob("*.safetensors"))
