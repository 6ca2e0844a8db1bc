import shutil

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from moongate.artifacts.images import read_images
from moongate.artifacts.latents import LatentSet
from moongate.config import CacheConfig
from moongate.errors import NumericsError
from moongate.models.source import BaseSource
from moongate.stages.cache import CacheInputs, cache, recipe
from moongate.subject import SubjectConfig

CONFIG = CacheConfig(batch_size=2, shard_rows=2)
SUBJECT = SubjectConfig(class_noun="duck", identifier="sks")


@pytest.fixture
def images(put_images, context):
    return put_images(context)


@pytest.fixture
def inputs(base, images):
    return CacheInputs(images=images, base=base)


def latents(config, inputs, context) -> LatentSet:
    return LatentSet(context.store.folder(cache(config, inputs, context).ref))


def test_rows_are_the_vaes_posteriors_in_the_order_of_the_pictures(inputs, context):
    found = latents(CONFIG, inputs, context)
    pictures = read_images(context.store.folder(inputs.images))
    assert found.image_ids == tuple(picture.image_id for picture in pictures)
    pixels = torch.from_numpy(np.stack([picture.pixels() for picture in pictures])).permute(0, 3, 1, 2)
    vae = AutoencoderKL.from_pretrained(inputs.base.folder / "vae")
    with torch.no_grad():
        expected = vae.encode(pixels.float() / 127.5 - 1).latent_dist
    torch.testing.assert_close(found.means(range(5)), expected.mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.stds(range(5)), expected.std, rtol=1e-5, atol=1e-8)


def test_a_prompt_of_many_pictures_is_embedded_once(inputs, context):
    found = latents(CONFIG, inputs, context)
    assert found.distinct_prompts == (
        "a red duck",
        "a blue duck",
        "a duck in the snow",
        "a photo of the beach",
    )
    assert torch.equal(found.embeddings([0]), found.embeddings([3]))
    tokenizer = CLIPTokenizer.from_pretrained(inputs.base.folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(inputs.base.folder / "text_encoder")
    tokens = tokenizer(["a duck in the snow"], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        torch.testing.assert_close(
            found.embeddings([2]), encoder(tokens).last_hidden_state, atol=1e-5, rtol=0
        )


def test_pictures_of_a_subject_get_its_training_prompt(base, images, context):
    found = latents(CONFIG, CacheInputs(images, base, subject=SUBJECT), context)
    assert set(found.prompts) == {"a sks duck"}


def test_a_second_request_is_cached(inputs, context):
    assert [cache(CONFIG, inputs, context).cached for _ in range(2)] == [False, True]


def test_layout_is_no_part_of_the_address_but_wording_is(inputs, base, images):
    digest = recipe(CONFIG, inputs).digest
    assert recipe(CacheConfig(batch_size=7, shard_rows=9), inputs).digest == digest
    renamed = SUBJECT.model_copy(update={"name": "other", "folder": "elsewhere"})
    subjects = [SUBJECT, renamed, SUBJECT.model_copy(update={"identifier": "zwx"})]
    ours, same, other = (recipe(CONFIG, CacheInputs(images, base, subject)).digest for subject in subjects)
    assert ours == same
    assert len({digest, ours, other}) == 3


def test_latents_that_are_not_finite_are_refused_with_their_pictures_and_nothing_is_kept(
    base, images, context, tmp_path
):
    broken = tmp_path / "broken"
    shutil.copytree(base.folder, broken)
    weights = broken / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["quant_conv.bias"][0] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(NumericsError, match="p9, p8"):
        cache(CONFIG, CacheInputs(images, BaseSource(broken, "broken")), context)
    assert not list(context.store.root.glob("artifacts/cache/*"))
