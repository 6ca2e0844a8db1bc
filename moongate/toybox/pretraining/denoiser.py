"""The denoiser: a conditional U-Net on cached latents, trained together with its text tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer
from typing_extensions import override

from moongate.diffusion.losses import simple_loss, target
from moongate.diffusion.noise import gaussian_batch, uniform_batch
from moongate.diffusion.schedule import NoiseSchedule, add_noise
from moongate.models.attention import use_training_attention
from moongate.progress import Progress
from moongate.toybox.pretraining.language_image import TEXT_WIDTH, token_ids
from moongate.toybox.pretraining.renders import RenderedSet, batch_rows, step_captions
from moongate.training.objective import Losses, Objective

CONDITIONING_DROPOUT = 0.12
TIMESTEP_LOCATION, TIMESTEP_SCALE = 0.0, 1.0


def build_unet() -> UNet2DConditionModel:
    """Return a fresh U-Net for 4 x 16 x 16 latents; random weights.

    Text is read at 8 x 8 and 4 x 4 only: attention at 16 x 16 costs as much as the rest together and, at
    this size, adds little.
    """
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4, 6),
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """Return the toybox's noise levels.

    v-prediction, and an end level of alphabar_T = 2.3e-4 against Stable Diffusion's 4.7e-3: on 16 x 16
    latents the mean colour of a picture would otherwise still be legible in x_T, and sampling from pure
    noise would miss it (Lin et al. 2024, section 3.1).
    """
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="leading",
        thresholding=False,
        rescale_betas_zero_snr=False,
    )


@torch.no_grad()
def encode_pictures(
    vae: AutoencoderKL, pictures: RenderedSet, progress: Progress, batch_size: int = 100
) -> Tensor:
    """Return the scaled posterior means of all pictures, (N, 4, 16, 16) float32."""
    batches = []
    with progress.track(f"encode {len(pictures)} pictures", len(pictures)) as advance:
        for start in range(0, len(pictures), batch_size):
            images = pictures.pixels(range(start, min(start + batch_size, len(pictures)))).to(vae.device)
            batches.append(vae.encode(images).latent_dist.mean.float().cpu() * vae.config.scaling_factor)
            advance(len(images))
    return torch.cat(batches).contiguous()


class DenoiserObjective(Objective):
    """L_simple on v; dropped captions teach the unconditional.

    The levels are drawn from a logit-normal law (Esser et al. 2024, section 3.1): most steps go to the middle
    of the schedule, where a picture's shapes are decided, and few to levels where there is nothing to learn.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        schedule: NoiseSchedule,
        pictures: RenderedSet,
        latents: Tensor,
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.unet = unet
        use_training_attention(unet)
        self.text_encoder = text_encoder
        self.batch_size = batch_size
        self._tokenizer = tokenizer
        self._schedule = schedule
        self._pictures = pictures
        self._latents = latents
        self._seed = seed

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"unet": self.unet, "text_encoder": self.text_encoder}

    @override
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        rows = batch_rows(self._seed, step, slots, self.batch_size, len(self._pictures))
        device = self.unet.device
        x_0 = self._latents[torch.as_tensor(rows)].to(device)
        epsilon = gaussian_batch(x_0.shape[1:], self._seed, "epsilon", slots, step).to(device)
        t = self._levels(slots, step).to(device)
        context = self.text_encoder(self._captions(rows, slots, step).to(device)).last_hidden_state
        prediction = self.unet(add_noise(self._schedule, x_0, epsilon, t), t, context).sample
        wanted = target(self._schedule, x_0, epsilon, t)
        return Losses(simple_loss(prediction, wanted).mean())

    def _levels(self, slots: Sequence[int], step: int) -> Tensor:
        """Draw a timestep for each slot, (B,) int64."""
        normal = gaussian_batch((), self._seed, "t", slots, step)
        share = torch.sigmoid(TIMESTEP_LOCATION + TIMESTEP_SCALE * normal)
        return (share * self._schedule.num_train_timesteps).long()

    def _captions(self, rows: Sequence[int], slots: Sequence[int], step: int) -> Tensor:
        captions = step_captions(self._pictures.specs, rows, self._seed, step)
        dropped = uniform_batch(self._seed, "caption", slots, step) < CONDITIONING_DROPOUT
        kept = ["" if drop else caption for caption, drop in zip(captions, dropped.tolist(), strict=True)]
        return token_ids(self._tokenizer, kept)
