"""Our chain of text, network, sampler and VAE against diffusers' own pipeline, on the same latents."""

from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor

from moongate.diffusion.guidance import Guidance
from moongate.diffusion.inversion import FixedPointRule, invert, invert_fixed_point
from moongate.diffusion.noise import gaussian_batch
from moongate.diffusion.samplers import Ddim, sample
from moongate.diffusion.schedule import timestep_table
from moongate.models.base import DiffusionModel, export_pipeline, load_model
from moongate.models.denoiser import Denoiser
from moongate.models.latents import decode
from moongate.models.source import BaseSource
from moongate.models.text import encode_prompts

PROMPTS = ["a sks duck", "a red duck in the snow"]


def load(folder: Path) -> DiffusionModel:
    return load_model(BaseSource(folder, "tiny"), "cpu", "float32")


def draw(
    model: DiffusionModel,
    z_T: Tensor,
    prompts: list[str],
    *,
    guidance: Guidance,
    negative: str = "",
    steps: int = 12,
    eta: float = 0.0,
) -> Tensor:
    """Pictures of [0, 1], (B, 3, H, W)."""
    table = timestep_table(model.schedule, steps)
    denoise = Denoiser(
        model,
        encode_prompts(model, prompts),
        table=table,
        guidance=guidance,
        unconditional=encode_prompts(model, [negative]),
    )
    z_0 = sample(denoise, z_T, model.schedule, table, sampler=Ddim(eta))
    return decode(model.vae, z_0) / 2 + 0.5


def draw_with_diffusers(folder: Path, z_T: Tensor, prompts: list[str], **settings: object) -> Tensor:
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    assert type(pipeline.scheduler) is DDIMScheduler
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(prompts, latents=z_T, output_type="pt", num_inference_steps=12, **settings)
    return drawn.images


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("negative", ["", "blue beach"])
def test_pictures_are_those_of_stable_diffusion_pipeline(
    tiny_model: Path, guidance: float, negative: str
) -> None:
    model = load(tiny_model)
    z_T = gaussian_batch(model.latent_shape, 0, "z_T", [0, 1])
    ours = draw(model, z_T, PROMPTS, guidance=Guidance(guidance), negative=negative)
    theirs = draw_with_diffusers(
        tiny_model, z_T, PROMPTS, guidance_scale=guidance, negative_prompt=[negative] * 2
    )
    assert ours.std() > 0.01
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_rescaled_guidance_is_that_of_stable_diffusion_pipeline(tiny_sd2: Path) -> None:
    model = load(tiny_sd2)
    z_T = gaussian_batch(model.latent_shape, 0, "z_T", [0, 1])
    ours = draw(model, z_T, PROMPTS, guidance=Guidance(5.0, rescale=0.7))
    theirs = draw_with_diffusers(tiny_sd2, z_T, PROMPTS, guidance_scale=5.0, guidance_rescale=0.7)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_tuned_export_draws_the_same_pictures_in_stock_diffusers(tiny_model: Path, tmp_path: Path) -> None:
    model = load(tiny_model)
    with torch.no_grad():
        model.unet.conv_in.weight.mul_(1.3)
        model.text_encoder.get_input_embeddings().weight.mul_(0.8)
    export_pipeline(model, tmp_path / "export")
    z_T = gaussian_batch(model.latent_shape, 0, "z_T", [0, 1])
    ours = draw(model, z_T, PROMPTS, guidance=Guidance(3.0))
    theirs = draw_with_diffusers(tmp_path / "export", z_T, PROMPTS, guidance_scale=3.0)
    untuned = draw(load(tiny_model), z_T, PROMPTS, guidance=Guidance(3.0))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert (ours - untuned).abs().max() > 1e-2


def test_picture_does_not_depend_on_the_batch_it_was_drawn_in(tiny_model: Path) -> None:
    model = load(tiny_model)
    items = list(range(32))
    z_T = gaussian_batch(model.latent_shape, 0, "z_T", items)
    prompts = [PROMPTS[i % 2] for i in items]
    whole = draw(model, z_T, prompts, guidance=Guidance(5.0))
    for size in (1, 7):
        chosen = slice(20, 20 + size)
        part = gaussian_batch(model.latent_shape, 0, "z_T", items[chosen])
        drawn = draw(model, part, prompts[chosen], guidance=Guidance(5.0))
        torch.testing.assert_close(drawn, whole[chosen], atol=1e-4, rtol=0)


def test_refined_inversion_of_a_network_is_closer_than_plain_and_independent_of_the_batch(
    tiny_model: Path,
) -> None:
    model = load(tiny_model)
    table = timestep_table(model.schedule, 10)
    z_0 = gaussian_batch(model.latent_shape, 0, "z_0", range(7))
    rule = FixedPointRule(max_iterations=20, tolerance=1e-6)
    embeddings = encode_prompts(model, [PROMPTS[i % 2] for i in range(7)])
    denoise = Denoiser(model, embeddings, table=table)
    plain = invert(denoise, z_0, model.schedule, table)
    refined = invert_fixed_point(denoise, z_0, model.schedule, table, rule=rule)
    assert denoise.counter.evaluations == 7 * 10 + int((refined.iterations + 1).sum())

    def error(z_T: Tensor) -> float:
        back = sample(denoise, z_T, model.schedule, table, sampler=Ddim())
        return float((back - z_0).norm() / z_0.norm())

    assert error(refined.z_T) < error(plain) / 10
    alone = invert_fixed_point(
        Denoiser(model, embeddings[3:4], table=table), z_0[3:4], model.schedule, table, rule=rule
    )
    torch.testing.assert_close(alone.z_T, refined.z_T[3:4], atol=1e-4, rtol=0)
