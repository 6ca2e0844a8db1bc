"""A loaded Stable Diffusion model: its parts, its sizes, and what tuning put into it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from moongate.diffusion.schedule import NoiseSchedule
from moongate.diffusion.scheduler_config import SchedulerConfig
from moongate.errors import ModelError
from moongate.models.devices import resolve_device, torch_dtype
from moongate.models.kernels import refuse_tf32
from moongate.models.quiet import quiet_libraries
from moongate.models.source import BaseSource
from moongate.models.tokens import load_tokenizer


@dataclass(frozen=True)
class DiffusionModel:
    """The parts of a latent diffusion model, weights in float32, frozen and in evaluation mode.

    Attributes:
        source: where it came from.
        vae: pictures to latents and back.
        text_encoder: token ids to embeddings.
        tokenizer: text to token ids.
        unet: the denoiser.
        scheduler_config: the model's own noise schedule, field by field.
        schedule: the same as noise levels.
        device: where the parts are.
        precision: the arithmetic inside the UNet ("float32", "bfloat16", "float16"), by autocast.
    """

    source: BaseSource
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel
    scheduler_config: SchedulerConfig
    schedule: NoiseSchedule
    device: torch.device
    precision: str

    @property
    def sample_size(self) -> int:
        """Side of the latents the UNet was trained on."""
        return int(self.unet.config.sample_size)

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return int(self.vae.config.latent_channels)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of one latent."""
        return self.latent_channels, self.sample_size, self.sample_size

    @property
    def downsampling(self) -> int:
        """Pixels a side for each latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def resolution(self) -> int:
        """Side of the pictures in pixels."""
        return self.sample_size * self.downsampling

    @property
    def scaling_factor(self) -> float:
        """What latents of the VAE are multiplied by for the UNet."""
        return float(self.vae.config.scaling_factor)

    @property
    def max_tokens(self) -> int:
        """Tokens of a prompt, the two end marks included."""
        return int(self.tokenizer.model_max_length)


def load_model(source: BaseSource, device: str | torch.device, precision: str) -> DiffusionModel:
    """Load a base model from safetensors; weights stored in float16 become float32.

    Args:
        source: where it lies.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        precision: "float32", "bfloat16" or "float16"; the arithmetic inside the UNet.

    Raises:
        ModelError: when the folder is not one (see `BaseSource.check`), the scheduler asks for what is not
            computed, or the parts do not fit each other.
        ConfigError: when the device or the precision is unknown.
    """
    torch_dtype(precision)
    where = resolve_device(str(device))
    refuse_tf32()
    source.check()
    scheduler_config = read_scheduler_config(source)
    with quiet_libraries():
        vae = AutoencoderKL.from_pretrained(**_safe_arguments(source, "vae"), torch_dtype=torch.float32)
        unet = UNet2DConditionModel.from_pretrained(
            **_safe_arguments(source, "unet"), torch_dtype=torch.float32
        )
        text_encoder = CLIPTextModel.from_pretrained(
            **_safe_arguments(source, "text_encoder"), dtype=torch.float32
        )
        tokenizer = load_tokenizer(source)
    for part in (vae, unet, text_encoder):
        part.to(where).eval().requires_grad_(False)
    model = DiffusionModel(
        source=source,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler_config=scheduler_config,
        schedule=NoiseSchedule.from_config(scheduler_config),
        device=where,
        precision=precision,
    )
    _check_fit(model)
    return model


def _safe_arguments(source: BaseSource, part: str) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` that read this part from local safetensors only."""
    return {
        "pretrained_model_name_or_path": source.folder / part,
        "variant": source.variant(part),
        "use_safetensors": True,
        "local_files_only": True,
    }


def read_scheduler_config(source: BaseSource) -> SchedulerConfig:
    """Return the model's noise schedule, field by field.

    Raises:
        ModelError: see `SchedulerConfig.from_mapping`; or when "leading" spacing has an offset other than 1.
    """
    path = source.folder / "scheduler" / "scheduler_config.json"
    config = SchedulerConfig.from_mapping(json.loads(path.read_text(encoding="utf-8")))
    if config.timestep_spacing == "leading" and config.steps_offset != 1:
        raise ModelError(
            "the scheduler's levels are ambiguous",
            where=f"{path}: steps_offset",
            why=f"it is {config.steps_offset} with leading spacing, and diffusers' StableDiffusionPipeline "
            "silently makes it 1: the same folder would be drawn in two ways",
            fix='set "steps_offset": 1, or another "timestep_spacing"',
        )
    return config


def export_pipeline(model: DiffusionModel, folder: Path) -> None:
    """Write an ordinary diffusers folder, float32 in safetensors, that draws what the model draws.

    The scheduler becomes a `DDIMScheduler` with every field set. The safety checker is not carried over.
    """
    with quiet_libraries():
        # Imported here: it brings in picture processors that nothing else needs.
        from diffusers import StableDiffusionPipeline

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
        pipeline.save_pretrained(folder, safe_serialization=True)


def _check_fit(model: DiffusionModel) -> None:
    """Refuse parts that load but do not belong together, or need an input that is not given here."""
    unet, vae, text = model.unet.config, model.vae.config, model.text_encoder.config
    if unet.in_channels != vae.latent_channels or unet.out_channels != vae.latent_channels:
        raise _misfit(
            model,
            f"the UNet takes {unet.in_channels} and gives {unet.out_channels} channels, latents have "
            f"{vae.latent_channels}",
            "use a text-to-image checkpoint, not one for inpainting, depth or editing",
        )
    if not isinstance(unet.sample_size, int):
        raise _misfit(
            model, f"the UNet's sample_size is {unet.sample_size}", "use a model of square pictures"
        )
    if unet.cross_attention_dim != text.hidden_size:
        raise _misfit(
            model,
            f"the UNet attends to {unet.cross_attention_dim} features, the text has {text.hidden_size}",
            "use the text encoder that the UNet was trained with",
        )
    if model.tokenizer.model_max_length > text.max_position_embeddings:
        raise _misfit(
            model,
            f"the tokenizer gives up to {model.tokenizer.model_max_length} tokens, the text encoder takes "
            f"{text.max_position_embeddings}",
            'set "model_max_length" in tokenizer/tokenizer_config.json',
        )
    if getattr(text, "use_attention_mask", False):
        raise _misfit(model, "the text encoder masks padding", "use a Stable Diffusion 1.x or 2.x checkpoint")
    for field in ("class_embed_type", "addition_embed_type", "time_cond_proj_dim"):
        if unet.get(field) is not None:
            raise _misfit(model, f"the UNet needs {field}", "use a plain text-to-image checkpoint")
    for field in ("shift_factor", "latents_mean", "latents_std"):
        if vae.get(field) is not None:
            raise _misfit(model, f"the VAE needs {field}", "use a Stable Diffusion 1.x or 2.x VAE")


def _misfit(model: DiffusionModel, why: str, fix: str) -> ModelError:
    return ModelError(
        "the parts of the base model do not fit", where=str(model.source.folder), why=why, fix=fix
    )
