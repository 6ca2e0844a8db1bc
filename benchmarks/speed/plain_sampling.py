"""Diffusers' pipeline, as its users call it."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.speed.racing import Done, Portion
from moongate.models.source import BaseSource

if TYPE_CHECKING:
    from torch import Tensor

    from moongate.models.base import DiffusionModel

GUIDANCE = 3.0
_TRIAL_STEPS = 4
_WARM_UP_STEPS = 1


def pipeline_of(model: DiffusionModel, precision: str) -> Any:
    """Return a `StableDiffusionPipeline` of a model's parts with DDIM, wholly in `precision`."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    from moongate.models.devices import torch_dtype
    from moongate.models.quiet import quiet_libraries

    pipeline = StableDiffusionPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        scheduler=DDIMScheduler(**model.scheduler_config.as_mapping()),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    with quiet_libraries():
        return pipeline.to(model.device, torch_dtype(precision))


def draw(pipeline: Any, prompts: Sequence[str], steps: int, latents: Tensor | None = None) -> Any:
    """Return the pictures of one call of the pipeline, as PIL images."""
    return pipeline(list(prompts), num_inference_steps=steps, guidance_scale=GUIDANCE, latents=latents).images


def pipeline_draws(
    base: BaseSource, device: str, precision: str, prompts: Sequence[str], steps: int, batch: int
) -> Portion:
    """Return what draws each of `prompts` once, `batch` at a time."""
    from moongate.models.base import load_model

    pipeline = pipeline_of(load_model(base, device, "float32"), precision)
    draw(pipeline, prompts[:batch], _WARM_UP_STEPS)

    def portion() -> Done:
        for first in range(0, len(prompts), batch):
            draw(pipeline, prompts[first : first + batch], steps)
        return Done(len(prompts), unet_evals=len(prompts) * steps * 2)

    return portion


def best_batch(base: BaseSource, device: str, precision: str, batches: Sequence[int], prompt: str) -> int:
    """Return the batch size at which the pipeline draws the most pictures a second."""
    from moongate.models.base import load_model

    pipeline = pipeline_of(load_model(base, device, "float32"), precision)
    each = {}
    for batch in batches:
        draw(pipeline, [prompt] * batch, _WARM_UP_STEPS)
        started = perf_counter()
        draw(pipeline, [prompt] * batch, _TRIAL_STEPS)
        each[batch] = (perf_counter() - started) / batch
    return min(each, key=lambda batch: each[batch])
