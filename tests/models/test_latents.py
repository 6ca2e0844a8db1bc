from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.image_processor import VaeImageProcessor

from moongate.models import latents as latents_module
from moongate.models.base import DiffusionModel, load_model
from moongate.models.latents import (
    decode,
    encode_posterior,
    from_uint8,
    to_latents,
    to_mean_latents,
    to_uint8,
)
from moongate.models.source import BaseSource


@pytest.fixture(scope="module")
def model(tiny_sd1: Path) -> DiffusionModel:
    return load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "bfloat16")


PICTURES = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_posterior_is_the_vaes_own_unscaled(model: DiffusionModel) -> None:
    mean, std = encode_posterior(model.vae, PICTURES)
    with torch.no_grad():
        expected = model.vae.encode(PICTURES).latent_dist
    assert mean.shape == (5, 4, 8, 8)
    torch.testing.assert_close(mean, expected.mean)
    torch.testing.assert_close(std, expected.std)


def test_latents_are_draws_of_the_posterior_scaled_once() -> None:
    mean, std, noise = torch.randn(3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(to_latents(mean, std, noise, 0.5), 0.5 * mean + 0.5 * std * noise)
    torch.testing.assert_close(to_mean_latents(mean, 0.5), 0.5 * mean)


def test_decoding_takes_the_scale_back_and_clamps(model: DiffusionModel) -> None:
    z = 40 * torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.vae.decode(z / model.scaling_factor).sample.clamp(-1, 1)
    torch.testing.assert_close(decode(model.vae, z), expected)


def test_vae_runs_in_float32_inside_autocast(model: DiffusionModel) -> None:
    z = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = decode(model.vae, z), encode_posterior(model.vae, PICTURES)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(decode(model.vae, z), expected[0])
        assert torch.equal(encode_posterior(model.vae, PICTURES)[0], expected[1])


def test_large_batches_pass_in_parts(model: DiffusionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    mean, _ = encode_posterior(model.vae, PICTURES)
    pictures = decode(model.vae, mean)
    monkeypatch.setattr(latents_module, "_PIXELS_AT_ONCE", 2 * 32 * 32)
    torch.testing.assert_close(encode_posterior(model.vae, PICTURES)[0], mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(decode(model.vae, mean), pictures, atol=1e-5, rtol=0)


def test_pixels_survive_the_way_there_and_back() -> None:
    every_value = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(1, 16, 16, 3)
    images = from_uint8(every_value)
    assert images.shape == (1, 3, 16, 16)
    assert (images.min(), images.max()) == (-1, 1)
    assert torch.equal(to_uint8(images), every_value)


def test_pixels_are_rounded_as_diffusers_rounds_them() -> None:
    processor = VaeImageProcessor()
    expected = StableDiffusionPipeline.numpy_to_pil(processor.pt_to_numpy(processor.denormalize(PICTURES)))
    ours = to_uint8(PICTURES)
    for mine, theirs in zip(ours, expected, strict=True):
        pixels = torch.frombuffer(bytearray(theirs.tobytes()), dtype=torch.uint8).reshape(32, 32, 3)
        assert torch.equal(mine, pixels)
