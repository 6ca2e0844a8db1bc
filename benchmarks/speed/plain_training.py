"""The plain DreamBooth loop: pictures and prompts are encoded in every step, as diffusers' example does it.

Written anew, and as its users run it: a data loader that decodes and normalises the pictures, the VAE and the
text encoder in the training precision, AdamW and accumulation by Accelerate, a learning rate schedule, and
the loss read for the progress bar.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.speed.racing import Done, Portion
from moongate.models.source import BaseSource

if TYPE_CHECKING:
    from torch import Tensor

    from moongate.artifacts.images import Picture


def plain_loop(
    base: BaseSource,
    device: str,
    batch: int,
    steps: int,
    precision: str,
    images: tuple[Path, Path],
    prompt: str,
) -> Portion:
    """Return what makes `steps` optimizer steps on `batch` subject and as many class pictures."""
    from moongate.artifacts.images import read_images

    pictures = [read_images(folder) for folder in images]
    loop = _PlainLoop(base, device, precision, pictures, prompt, batch)

    def portion() -> Done:
        for _ in range(steps):
            loop.step()
        return Done(steps, unet_evals=steps * batch * 2)

    return portion


class _PlainLoop:
    """Everything that the loop holds between steps."""

    def __init__(
        self,
        base: BaseSource,
        device: str,
        precision: str,
        pictures: list[tuple[Picture, ...]],
        prompt: str,
        batch: int,
    ) -> None:
        import torch
        from diffusers import DDPMScheduler
        from torch.utils.data import DataLoader

        from moongate.models.base import load_model
        from moongate.models.devices import torch_dtype
        from moongate.training.trainer import build_accelerator

        # The script's own default for a GPU is TF32 off, too, so both sides share this loader's settings.
        model = load_model(base, device, precision)
        # An ordinary Accelerator; only what an earlier one in this process left behind is forgotten.
        self._accelerator = build_accelerator(model.device, precision)
        self._dtype = torch_dtype(precision)
        self._device = self._accelerator.device
        self._vae = model.vae.to(self._device, self._dtype)
        self._text_encoder = model.text_encoder.to(self._device, self._dtype)
        self._tokenizer = model.tokenizer
        self._noise = DDPMScheduler.from_config(model.scheduler_config.as_mapping())
        unet = model.unet.requires_grad_(True).train()
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-6, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
        data = _Pairs(pictures, prompt, model.tokenizer)
        loader: Any = DataLoader(data, batch_size=batch, shuffle=True, collate_fn=_collated)  # type: ignore[arg-type]
        self._unet, self._optimizer, self._loader, self._schedule = self._accelerator.prepare(
            unet, optimizer, loader, schedule
        )
        self._batches = iter(self._loader)

    def step(self) -> None:
        """Make one optimizer step."""
        import torch
        import torch.nn.functional as F

        pixels, token_ids = self._next()
        with self._accelerator.accumulate(self._unet):
            with torch.no_grad():
                latents = self._vae.encode(pixels.to(self._dtype)).latent_dist.sample()
                latents = latents * self._vae.config.scaling_factor
                text = self._text_encoder(token_ids).last_hidden_state
            noise = torch.randn_like(latents)
            t = torch.randint(0, self._noise.config.num_train_timesteps, (len(latents),)).to(self._device)
            noisy = self._noise.add_noise(latents, noise, t)
            prediction = self._unet(noisy, t, encoder_hidden_states=text, return_dict=False)[0].float()
            wanted = self._wanted(latents, noise, t).float()
            instance, prior = prediction.chunk(2)
            wanted_instance, wanted_prior = wanted.chunk(2)
            loss = F.mse_loss(instance, wanted_instance) + F.mse_loss(prior, wanted_prior)
            self._accelerator.backward(loss)
            self._accelerator.clip_grad_norm_(self._unet.parameters(), 1.0)
            self._optimizer.step()
            self._schedule.step()
            self._optimizer.zero_grad(set_to_none=True)
        loss.detach().item()

    def _wanted(self, latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        if self._noise.config.prediction_type == "v_prediction":
            velocity: Tensor = self._noise.get_velocity(latents, noise, t)
            return velocity
        return noise

    def _next(self) -> tuple[Tensor, Tensor]:
        try:
            pixels, token_ids = next(self._batches)
        except StopIteration:
            self._batches = iter(self._loader)
            pixels, token_ids = next(self._batches)
        return pixels, token_ids


class _Pairs:
    """A subject picture and a class picture with their token ids; decoded when asked for."""

    def __init__(self, pictures: list[tuple[Picture, ...]], prompt: str, tokenizer: Any) -> None:
        self._instance, self._prior = pictures
        self._prompt = prompt
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return max(len(self._instance), len(self._prior))

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        instance = self._instance[index % len(self._instance)]
        prior = self._prior[index % len(self._prior)]
        return _pixels(instance), _pixels(prior), self._tokens(self._prompt), self._tokens(prior.text)

    def _tokens(self, prompt: str) -> Tensor:
        found: Tensor = self._tokenizer(
            prompt, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        return found


def _pixels(picture: Picture) -> Tensor:
    """Return a picture as (3, H, W) float32 in [-1, 1]."""
    import torch

    pixels: Tensor = torch.from_numpy(picture.pixels().copy()).permute(2, 0, 1).float() / 127.5 - 1
    return pixels


def _collated(examples: list[tuple[Tensor, Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return (2 B, 3, H, W) pixels and (2 B, L) token ids, subject first and class after it."""
    import torch

    instance, prior, instance_ids, prior_ids = zip(*examples, strict=True)
    return torch.stack([*instance, *prior]).contiguous(), torch.cat([*instance_ids, *prior_ids])
