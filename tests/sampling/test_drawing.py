"""Against the pipeline and scheduler of diffusers, which share no code with ours."""

import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from moongate.diffusion.guidance import Guidance
from moongate.diffusion.samplers import Ddim
from moongate.errors import NumericsError
from moongate.models.base import load_model
from moongate.models.source import BaseSource
from moongate.progress import Silent
from moongate.sampling.drawing import Manner, NoiseKey, Order, Studio

PROMPTS = ("a red duck", "a duck in the snow", "a photo of the beach")
KEY = NoiseKey(seed=3, purpose="test")


def studio(model, batch_size: int, **manner) -> Studio:
    return Studio(model, Manner(5, Ddim(), Guidance(2.5), batch_size, **manner), KEY)


def drawn(found: Studio) -> np.ndarray:
    orders = [Order(f"p{number}", prompt) for number, prompt in enumerate(PROMPTS)]
    return np.stack([pixels for _, pixels in found.draw(orders, Silent(), "test")])


@pytest.mark.parametrize("negative_prompt", ["", "blue"])
def test_pictures_are_those_of_diffusers_from_the_same_start(tiny_model, negative_prompt):
    model = load_model(BaseSource(tiny_model, "tiny"), "cpu", "float32")
    ours = drawn(studio(model, 2, negative_prompt=negative_prompt))
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model, safety_checker=None)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    orders = [Order(f"p{number}", prompt) for number, prompt in enumerate(PROMPTS)]
    theirs = pipeline(
        list(PROMPTS),
        negative_prompt=[negative_prompt] * 3,
        num_inference_steps=5,
        guidance_scale=2.5,
        latents=KEY.starts(model.latent_shape, orders),
        output_type="np",
    ).images
    np.testing.assert_allclose(ours.astype(float), np.round(theirs * 255), atol=1)


def test_the_fresh_noise_of_a_step_belongs_to_the_item_and_the_step():
    orders = [Order("a", "a duck"), Order("b", "a duck")]
    both, one = KEY.steps((2, 2), orders), KEY.steps((2, 2), orders[1:])
    assert torch.equal(both(4)[1:], one(4))
    assert not torch.equal(one(4), one(5))
    assert not torch.equal(one(0), KEY.starts((2, 2), orders[1:]))


class Bar:
    """Progress that can be read."""

    total = done = 0

    @contextmanager
    def track(self, description, total):
        self.total = total
        yield self.advance

    def advance(self, count):
        self.done += count


def test_progress_counts_every_step_of_every_picture(tiny_sd1):
    model = load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "float32")
    bar = Bar()
    orders = [Order(f"p{number}", prompt) for number, prompt in enumerate(PROMPTS)]
    list(studio(model, 2).draw(orders, bar, "test"))
    assert (bar.total, bar.done) == (15, 15)


def test_pictures_that_stop_being_numbers_are_named(tiny_sd1, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_sd1, broken)
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_out.bias"][0] = float("inf")
    save_file(tensors, weights, metadata={"format": "pt"})
    model = load_model(BaseSource(broken, "broken"), "cpu", "float32")
    with pytest.raises(NumericsError, match="p0, p1"):
        drawn(studio(model, 2))
