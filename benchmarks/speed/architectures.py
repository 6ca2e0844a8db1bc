"""Models of a known architecture with random weights: how long they take does not depend on the weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from moongate.models.quiet import quiet_libraries
from moongate.models.source import BaseSource, bundled_folder

_SEED = 0


@dataclass(frozen=True)
class Architecture:
    """The sizes of a latent diffusion model, under diffusers' and transformers' own names.

    Attributes:
        name: what tables call it.
        unet, vae, text_encoder: arguments of their classes.
        max_tokens: of a prompt.
        scheduler: arguments of `DDIMScheduler`.
    """

    name: str
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    text_encoder: Mapping[str, Any]
    max_tokens: int
    scheduler: Mapping[str, Any]


_SCHEDULER = MappingProxyType(
    {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
)
# 860 M parameters in the UNet, latents of 4 x 64 x 64, text of 77 x 768.
STABLE_DIFFUSION_15 = Architecture(
    name="SD 1.5, random weights",
    unet=MappingProxyType(
        {
            "sample_size": 64,
            "block_out_channels": (320, 640, 1280, 1280),
            "cross_attention_dim": 768,
            "attention_head_dim": 8,
            "layers_per_block": 2,
        }
    ),
    vae=MappingProxyType(
        {
            "block_out_channels": (128, 256, 512, 512),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 2,
            "latent_channels": 4,
            "sample_size": 512,
            "scaling_factor": 0.18215,
        }
    ),
    text_encoder=MappingProxyType(
        {
            "vocab_size": 49408,
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 77,
            "hidden_act": "quick_gelu",
        }
    ),
    max_tokens=77,
    scheduler=_SCHEDULER,
)


def write_random_model(architecture: Architecture, folder: Path) -> BaseSource:
    """Write a model with random weights, half precision on disk, unless it is there; return its source.

    The tokenizer is the toybox's: its words have other numbers than CLIP's, which no timing depends on.
    """
    if not (folder / "model_index.json").is_file():
        _write(architecture, folder)
    return BaseSource(folder, architecture.name)


def _write(architecture: Architecture, folder: Path) -> None:
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with quiet_libraries(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_SEED)
        tokenizer = _tokenizer(folder, architecture.max_tokens)
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(**architecture.vae).half(),
            text_encoder=CLIPTextModel(CLIPTextConfig(**architecture.text_encoder)).half(),
            tokenizer=tokenizer,
            unet=UNet2DConditionModel(**architecture.unet).half(),
            scheduler=DDIMScheduler(**architecture.scheduler),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder, safe_serialization=True, variant="fp16")


def _tokenizer(folder: Path, max_tokens: int) -> Any:
    from transformers import CLIPTokenizer

    own = folder / "tokenizer"
    shutil.copytree(bundled_folder() / "base" / "tokenizer", own, dirs_exist_ok=True)
    config = json.loads((own / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["model_max_length"] = max_tokens
    (own / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return CLIPTokenizer.from_pretrained(own)
