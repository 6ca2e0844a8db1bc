"""Which kernel computes attention while a UNet is being trained."""

from __future__ import annotations

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

LONGEST_MATERIALISED = 32 * 32


def use_training_attention(unet: UNet2DConditionModel) -> None:
    """Let a UNet on the CPU multiply its attention matrices out; leave every other UNet as it is.

    PyTorch's fused attention has a backward pass that is slow on CPUs for the short sequences of small
    latents: a training step of the toybox's UNet took .45 s with it and .32 s with plain products (32
    latents, 2 cores). Plain products hold the whole (tokens x tokens) matrix for the backward pass, so
    latents of more than 32 x 32 keep the fused kernel, as does every GPU. The result is the same but for
    rounding.
    """
    if unet.device.type == "cpu" and unet.config.sample_size**2 <= LONGEST_MATERIALISED:
        unet.set_attn_processor(AttnProcessor())
