"""Items that cannot be computed: each has a row that says why, and the others keep their bytes."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from moongate.artifacts.images import Picture, write_images
from moongate.artifacts.inverted import InversionSet
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef, InversionsRef
from moongate.artifacts.shards import Shard, shards
from moongate.artifacts.store import Obtained
from moongate.bad_items import read_left_out
from moongate.config import CacheConfig, InvertConfig, PriorConfig, SampleConfig
from moongate.errors import InputError, NumericsError
from moongate.models.source import BaseSource
from moongate.prompts import PromptRow
from moongate.settings import Settings
from moongate.stages import invert as invert_stage
from moongate.stages import sample as sample_stage
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.context import StageContext
from moongate.stages.invert import InvertInputs, invert
from moongate.stages.prior import PriorInputs, prior
from moongate.stages.sample import SampleInputs, sample
from moongate.subject import SubjectConfig

SUBJECT = SubjectConfig(class_noun="duck", identifier="sks")
SNOW = PromptRow("snow", "a {subject} in the snow", "recontextualization")
RED = PromptRow("red", "a red {subject}", "property")
LONG = PromptRow("long", "a {subject}" + " in the snow" * 6, "property")
DRAWING = SampleConfig(steps=2, seeds_per_prompt=2, batch_size=3)
INVERTING = InvertConfig(steps=3, refinement_iterations=2, batch_size=2, num_images=0, store_trajectory=True)
TEXT_WEIGHTS = "text_encoder/model.safetensors"


@pytest.fixture(scope="module")
def poisoned(base: BaseSource, tmp_path_factory: pytest.TempPathFactory) -> BaseSource:
    """The base with a token whose embedding is not a number: "snow"."""
    folder = tmp_path_factory.mktemp("models") / "poisoned"
    shutil.copytree(base.folder, folder)
    token = json.loads((folder / "tokenizer/vocab.json").read_text())["snow</w>"]
    tensors = load_file(folder / TEXT_WEIGHTS)
    (name,) = [name for name in tensors if name.endswith("token_embedding.weight")]
    tensors[name][token] = torch.nan
    save_file(tensors, folder / TEXT_WEIGHTS, metadata={"format": "pt"})
    return BaseSource(folder, name="poisoned")


def drawing(base: BaseSource, *prompts: PromptRow) -> SampleInputs:
    return SampleInputs(base, "float32", SUBJECT, 0, prompts, on_bad_item="skip")


def rows_of(context: StageContext, obtained: Obtained, name: str) -> list[dict]:
    return pq.read_table(context.store.folder(obtained.ref) / f"{name}.parquet").to_pylist()


def test_a_poisoned_prompt_loses_its_pictures_and_no_byte_of_the_others(base, poisoned, context) -> None:
    sound = sample(DRAWING, drawing(base, SNOW, RED), context)
    obtained = sample(DRAWING, drawing(poisoned, SNOW, RED), context)
    lost, kept = (rows_of(context, obtained, "samples")[part] for part in (slice(0, 2), slice(2, 4)))
    # The second batch of three holds a picture of either prompt.
    assert kept == rows_of(context, sound, "samples")[2:]
    assert [(row["sample_id"], row["status"], row["image"]) for row in lost] == [
        ("snow-0", "not_finite", None),
        ("snow-1", "not_finite", None),
    ]
    assert "NaN" in lost[0]["reason"]
    assert (sound.lost, obtained.lost, obtained.facts.items) == (0, 2, 4)


def test_a_prompt_that_cannot_be_encoded_loses_its_pictures_and_no_byte_of_the_others(base, context) -> None:
    without = rows_of(context, sample(DRAWING, drawing(base, SNOW, RED), context), "samples")
    rows = rows_of(context, sample(DRAWING, drawing(base, SNOW, LONG, RED), context), "samples")
    assert rows[:2] + rows[4:] == without
    assert {(row["status"], row["image"]) for row in rows[2:4]} == {("too_long", None)}
    assert "this would be cut off: 'in the snow" in rows[2]["reason"]


def test_unless_it_is_asked_to_skip_a_stage_stops_at_them_also_when_another_run_has_skipped(
    poisoned, context, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = drawing(poisoned, SNOW, RED)
    strict = replace(inputs, on_bad_item="stop")
    with pytest.raises(NumericsError, match=r"NaN or infinity in: snow-0, snow-1\n.*on_bad_item=skip"):
        sample(DRAWING, strict, context)
    with caplog.at_level(logging.WARNING):
        sample(DRAWING, inputs, context)
    assert "2 of 4 items of sample could not be computed, and are left out: snow-0 (NaN" in caplog.text
    with pytest.raises(NumericsError, match="2 of 4 items of sample could not be computed"):
        sample(DRAWING, strict, context)
    assert sample(DRAWING, inputs, context).cached


def test_when_no_item_is_sound_the_stage_stops_all_the_same(poisoned, base, context) -> None:
    with pytest.raises(NumericsError, match="none of the 2 items of sample"):
        sample(DRAWING, drawing(poisoned, SNOW), context)
    with pytest.raises(NumericsError, match="none of the 2 items of sample"):
        sample(DRAWING, drawing(base, LONG), context)
    class_pictures = PriorInputs(poisoned, "float32", "a duck in the snow", 0, "skip")
    with pytest.raises(NumericsError, match="none of the 2 items of prior"):
        prior(PriorConfig(num_images=2, steps=1), class_pictures, context)


@pytest.fixture
def poisoned_pictures(poisoned: BaseSource, context: StageContext, put_images) -> InvertInputs:
    images = put_images(context)
    latents = cache(CacheConfig(batch_size=5), CacheInputs(images, poisoned, on_bad_item="skip"), context).ref
    return InvertInputs(poisoned, "float32", images, latents, on_bad_item="skip")


def test_shards_leave_bad_items_in_their_batches_where_the_stage_finds_them(
    poisoned, poisoned_pictures, context, new_context
) -> None:
    samples = drawing(poisoned, SNOW, LONG, RED)
    whole = new_context()
    # The same address in a store of its own; what it is made from lies in both.
    shutil.copytree(context.store.root, whole.store.root, dirs_exist_ok=True)
    for module, config, inputs in (
        (sample_stage, DRAWING, samples),
        (invert_stage, INVERTING, poisoned_pictures),
    ):
        parts = shards(module.num_items(config, inputs, context.store), config.batch_size, workers=2)
        done = [module.do_shard(config, inputs, part, context) for part in parts]
        perform = getattr(module, module.STAGE)
        undivided, divided = perform(config, inputs, whole), perform(config, inputs, context)
        assert divided.lost == undivided.lost > 0
        assert sum(share.unet_evals for share in done) == undivided.facts.unet_evals
        first, second = (
            {file.name: file.sha256 for file in one.store.manifest(divided.ref).files}
            for one in (whole, context)
        )
        assert first == second


def test_a_shard_stops_at_bad_items_when_none_are_allowed(poisoned, poisoned_pictures, context) -> None:
    everything = Shard(0, 1)
    strict = replace(drawing(poisoned, SNOW, RED), on_bad_item="stop")
    with pytest.raises(NumericsError, match="NaN or infinity in: snow-0, snow-1"):
        sample_stage.do_shard(DRAWING, strict, everything, context)
    with pytest.raises(NumericsError, match="NaN or infinity in: p7"):
        strict = replace(poisoned_pictures, on_bad_item="stop")
        invert_stage.do_shard(INVERTING, strict, everything, context)


def test_a_negative_prompt_belongs_to_every_picture_and_is_never_skipped(base, context) -> None:
    everywhere = DRAWING.model_copy(update={"negative_prompt": LONG.template})
    with pytest.raises(InputError, match="too long"):
        sample(everywhere, drawing(base, RED), context)


def inverted(base: BaseSource, context: StageContext, images: ImageSetRef) -> Obtained[InversionsRef]:
    latents = cache(CacheConfig(batch_size=5), CacheInputs(images, base, on_bad_item="skip"), context).ref
    inputs = InvertInputs(base, "float32", images, latents, on_bad_item="skip")
    return invert(INVERTING, inputs, context)


def test_a_picture_that_cannot_be_inverted_has_no_values_and_no_latent(
    base, poisoned, context, put_images: Callable[[StageContext], ImageSetRef]
) -> None:
    images = put_images(context)
    sound, obtained = inverted(base, context, images), inverted(poisoned, context, images)
    rows, expected = (rows_of(context, one, "inversions") for one in (obtained, sound))
    assert [(row["image_id"], row["status"]) for row in rows if row["status"] == "not_finite"] == [
        ("p7", "not_finite"),
        ("p7", "not_finite"),
    ]
    lost = next(row for row in rows if row["image_id"] == "p7")
    values = ("psnr_db", "ssim", "floor_psnr_db", "floor_ssim", "residual", "floor", "reconstruction")
    assert {lost[name] for name in values} == {None}
    assert lost["original"]["bytes"]
    # Beside it in its batch, plain inversion is the same to the last bit; refinement leaves off for single
    # pictures, and so works on other batches. Batches without it are the same in all.
    same = [row for row in expected if row["image_id"] != "p7"]
    kept = [row for row in rows if row["image_id"] != "p7"]
    assert [row for row in kept if row["method"] == "plain" or row["image_id"] != "p8"] == [
        row for row in same if row["method"] == "plain" or row["image_id"] != "p8"
    ]
    set_, full = (InversionSet(context.store.folder(one.ref)) for one in (obtained, sound))
    assert [picture.image_id for picture in set_.card.pictures] == ["p5", "p6", "p8", "p9"]
    assert torch.equal(set_.z_T("plain", range(4)), full.z_T("plain", (0, 1, 3, 4)))
    assert obtained.lost == 1
    states = load_file(context.store.folder(obtained.ref) / "trajectory-00001.safetensors")
    assert all(bool(way.isfinite().all()) and len(way) == 1 for way in states.values())


@pytest.fixture
def grey_and_one_other(context: StageContext) -> ImageSetRef:
    """Four pictures of one grey level and its neighbour, and one of all levels."""

    class Made(Settings):
        by: str = "grey"

    generator = np.random.Generator(np.random.PCG64(0))
    low_high = [(127, 129)] * 4 + [(0, 256)]
    pictures = [
        Picture.from_pixels(
            generator.integers(low, high, (32, 32, 3), np.uint8),
            image_id=f"g{number}",
            file_name=f"{number}.png",
            text="a duck",
        )
        for number, (low, high) in enumerate(low_high)
    ]
    recipe = Recipe("ingest", 1, Made(), (), ImageSetRef)
    return context.store.obtain(recipe, lambda folder: write_images(folder, pictures)).ref


@pytest.fixture
def overflowing(base: BaseSource, tmp_path: Path) -> BaseSource:
    """The base with an encoder that overflows for all but pictures of hardly any contrast."""
    shutil.copytree(base.folder, tmp_path / "overflowing")
    weights = tmp_path / "overflowing/vae/diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["encoder.conv_in.weight"] *= 5e20 / tensors["encoder.conv_in.weight"].abs().max()
    save_file(tensors, weights, metadata={"format": "pt"})
    return BaseSource(tmp_path / "overflowing", name="overflowing")


def test_an_evaluation_picture_that_cannot_be_encoded_is_left_out_and_said_to_be_lost_later(
    overflowing, context, grey_and_one_other
) -> None:
    inputs = CacheInputs(grey_and_one_other, overflowing, on_bad_item="skip")
    obtained = cache(CacheConfig(), inputs, context)
    latents = LatentSet(context.store.folder(obtained.ref))
    assert (obtained.lost, latents.image_ids) == (1, ("g0", "g1", "g2", "g3"))
    assert [item.name for item in read_left_out(latents.folder)] == ["g4"]
    with pytest.raises(NumericsError, match="1 of 5 items of cache"):
        cache(CacheConfig(), replace(inputs, on_bad_item="stop"), context)
    done = inverted(overflowing, context, grey_and_one_other)
    rows = [row for row in rows_of(context, done, "inversions") if row["image_id"] == "g4"]
    assert [(row["method"], row["status"]) for row in rows] == [("plain", "lost"), ("fixed_point", "lost")]
    assert "the cache stage left it out" in rows[0]["reason"]
    # It was lost once, and is counted once.
    assert done.lost == 0
