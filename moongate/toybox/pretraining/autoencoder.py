"""The autoencoder: 64 x 64 pictures to 4 x 16 x 16 latents and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from typing_extensions import override

from moongate.diffusion.noise import gaussian_batch
from moongate.toybox.pretraining.renders import RenderedSet, batch_rows
from moongate.training.objective import Losses, Objective


def build_autoencoder() -> AutoencoderKL:
    """Return a fresh KL autoencoder (Rombach et al. 2022) with two halvings; random weights."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 96),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        sample_size=64,
        mid_block_add_attention=False,
    )


class AutoencoderObjective(Objective):
    """Squared error plus `kl_weight` times KL: the negative ELBO of Kingma & Welling 2014, reweighted.

    Both terms are means over elements, so the weight does not depend on the picture's size.
    """

    def __init__(
        self, vae: AutoencoderKL, sets: Sequence[RenderedSet], batch_size: int, kl_weight: float, seed: int
    ):
        super().__init__()
        self.vae = vae
        self.batch_size = batch_size
        self._pictures = RenderedSet.joined(sets)
        self._kl_weight = kl_weight
        self._seed = seed

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"vae": self.vae}

    @override
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        images, noise = self._pictures_and_noise(step, slots)
        posterior = self.vae.encode(images).latent_dist
        latents = posterior.mean.float() + posterior.std.float() * noise
        squared_error = (self.vae.decode(latents).sample.float() - images).square().mean()
        kl = _kl_to_standard_normal(posterior.mean.float(), posterior.logvar.float()).mean()
        return Losses(squared_error + self._kl_weight * kl, {"squared_error": squared_error, "kl": kl})

    def _pictures_and_noise(self, step: int, slots: Sequence[int]) -> tuple[Tensor, Tensor]:
        rows = batch_rows(self._seed, step, slots, self.batch_size, len(self._pictures))
        images = self._pictures.pixels(rows).to(self.vae.device)
        noise = gaussian_batch(latent_shape(self.vae), self._seed, "posterior", list(slots), step)
        return images, noise.to(images.device)


class DecoderObjective(AutoencoderObjective):
    """Squared error with the encoder frozen: better pictures from the same latents.

    Whatever was trained on the latents stays valid, so the decoder can be trained for longer than the
    encoder.
    """

    def __init__(self, vae: AutoencoderKL, sets: Sequence[RenderedSet], batch_size: int, seed: int):
        super().__init__(vae, sets, batch_size, kl_weight=0.0, seed=seed)
        for part in (vae.encoder, vae.quant_conv):
            part.requires_grad_(False)

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"decoder": self.vae.decoder, "post_quant_conv": self.vae.post_quant_conv}

    @override
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        images, noise = self._pictures_and_noise(step, slots)
        with torch.no_grad():
            posterior = self.vae.encode(images).latent_dist
            latents = posterior.mean.float() + posterior.std.float() * noise
        return Losses((self.vae.decode(latents).sample.float() - images).square().mean())


def latent_shape(vae: AutoencoderKL) -> tuple[int, int, int]:
    """Return (C, h, w) of the latents of a picture of the autoencoder's own size."""
    side = vae.config.sample_size // 2 ** (len(vae.config.block_out_channels) - 1)
    return vae.config.latent_channels, side, side


def _kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)) per element (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)


@torch.no_grad()
def reconstruction_psnr(vae: AutoencoderKL, pictures: RenderedSet, batch_size: int = 64) -> float:
    """Return the mean over pictures of PSNR(x, decode(posterior mean of x)) in dB, 8-bit data range."""
    values = []
    for start in range(0, len(pictures), batch_size):
        images = pictures.pixels(range(start, min(start + batch_size, len(pictures)))).to(vae.device)
        decoded = vae.decode(vae.encode(images).latent_dist.mean).sample.float().clamp(-1, 1)
        error = ((decoded - images) * 127.5).round().square().mean(dim=(1, 2, 3))
        values.append(20 * torch.log10(torch.tensor(255.0)) - 10 * torch.log10(error))
    return float(torch.cat(values).mean())


@torch.no_grad()
def latent_scale(vae: AutoencoderKL, pictures: RenderedSet, batch_size: int = 64) -> float:
    """Return 1 / std of the posterior means, which gives latents unit variance (Rombach et al. 2022, G)."""
    means = [
        vae.encode(
            pictures.pixels(range(start, min(start + batch_size, len(pictures)))).to(vae.device)
        ).latent_dist.mean
        for start in range(0, len(pictures), batch_size)
    ]
    return float(1 / torch.cat(means).float().std())
