"""Writing the trained models in the layouts that the libraries read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer, ViTModel

from moongate.models.quiet import quiet_libraries
from moongate.toybox.judges import JudgeNetwork, save_judges
from moongate.toybox.vocabulary import IMAGE_SIZE

M = TypeVar("M", bound=nn.Module)
PREPROCESSING = {
    "do_resize": True,
    "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


@dataclass(frozen=True)
class Trained:
    """The results of all phases."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler
    clip: CLIPModel
    identity: ViTModel
    judges: JudgeNetwork


def write_bundle(trained: Trained, output: Path) -> None:
    """Write `base/`, `clip/`, `identity/` and `judges/` under `output`, weights as float16 safetensors."""
    with quiet_libraries():
        _write_models(trained, output)
    trained.tokenizer.save_pretrained(output / "clip")
    for folder in ("clip", "identity"):
        (output / folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=2) + "\n")
    save_judges(trained.judges, output / "judges")


def _write_models(trained: Trained, output: Path) -> None:
    # Imported here, among quiet libraries: it brings in picture processors, which complain when imported.
    from diffusers import StableDiffusionPipeline

    StableDiffusionPipeline(
        vae=_half(trained.vae),
        text_encoder=_half(trained.text_encoder),
        tokenizer=trained.tokenizer,
        unet=_half(trained.unet),
        scheduler=trained.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(output / "base", safe_serialization=True)
    _half(trained.clip).save_pretrained(output / "clip")
    _half(trained.identity).save_pretrained(output / "identity")


def _half(module: M) -> M:
    """Round the weights to float16 in place: half the size, at an eighth of bfloat16's rounding error."""
    return module.to(torch.float16)
