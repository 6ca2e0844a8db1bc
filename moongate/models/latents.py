"""Pictures to latents and back, always in float32: the VAE overflows in float16 on flat areas."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor

# Eight pictures of 512 x 512 at once: enough to fill a device, little enough to fit it.
_PIXELS_AT_ONCE = 8 * 512 * 512


@torch.no_grad()
def encode_posterior(vae: AutoencoderKL, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of q(z | image), each (B, C, h, w) float32, NOT scaled for the UNet.

    Args:
        vae: the autoencoder.
        images: (B, 3, H, W) float32 in [-1, 1].
    """
    with _full_precision(images):
        parts = [vae.encode(part).latent_dist for part in images.float().split(_count(images))]
        return torch.cat([part.mean for part in parts]), torch.cat([part.std for part in parts])


def to_latents(mean: Tensor, std: Tensor, noise: Tensor, scaling_factor: float) -> Tensor:
    """Return a draw of the posterior, scaled for the UNet: (B, C, h, w) float32.

    Args:
        mean: (B, C, h, w) float32.
        std: (B, C, h, w) float32.
        noise: (B, C, h, w) float32, standard normal.
        scaling_factor: `DiffusionModel.scaling_factor`.
    """
    return (mean + std * noise) * scaling_factor


def to_mean_latents(mean: Tensor, scaling_factor: float) -> Tensor:
    """Return the posterior's mean, scaled for the UNet: what inversion starts from; (B, C, h, w) float32."""
    return mean * scaling_factor


@torch.no_grad()
def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Return the pictures of latents, (B, 3, H, W) float32, clamped to [-1, 1].

    Args:
        vae: the autoencoder.
        latents: (B, C, h, w) float32, scaled for the UNet.
    """
    unscaled = latents.float() / float(vae.config.scaling_factor)
    side = 2 ** (len(vae.config.block_out_channels) - 1)
    count = max(1, _PIXELS_AT_ONCE // (side**2 * latents.shape[-1] * latents.shape[-2]))
    with _full_precision(latents):
        parts = [vae.decode(part).sample for part in unscaled.split(count)]
    return torch.cat(parts).clamp(-1, 1)


def from_uint8(pixels: Tensor) -> Tensor:
    """Return (B, H, W, 3) uint8 pictures as (B, 3, H, W) float32 in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Return (B, 3, H, W) float32 pictures of [-1, 1] as (B, H, W, 3) uint8, rounded to nearest."""
    return (
        ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    )


def _count(images: Tensor) -> int:
    return max(1, _PIXELS_AT_ONCE // (images.shape[-1] * images.shape[-2]))


def _full_precision(like: Tensor) -> torch.autocast:
    return torch.autocast(like.device.type, enabled=False)
