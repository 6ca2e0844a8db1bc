"""DreamBooth (Ruiz et al. 2023): the model learns "a [V] class", and class pictures hold the class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from typing_extensions import override

from moongate.artifacts.latents import LatentSet
from moongate.diffusion.losses import dreambooth_loss, simple_loss, target
from moongate.diffusion.noise import gaussian_batch, integer_batch, keyed_generator
from moongate.diffusion.schedule import add_noise
from moongate.methods.conditioning import Conditioning
from moongate.models.attention import use_training_attention
from moongate.models.base import DiffusionModel
from moongate.models.finite import require_finite
from moongate.models.latents import to_latents, to_mean_latents
from moongate.training.objective import Losses, ValidatedObjective
from moongate.unet_layers import UNetLayers, is_tuned

VALIDATION_SEED = 20_230_615


@dataclass(frozen=True)
class DreamBoothData:
    """What is learned from.

    Attributes:
        instance: pictures of the subject, prompted with the identifier.
        prior: pictures of the class by the frozen base model, prompted with the class noun; None without it.
        validation: pictures of the subject that are never trained on, prompted with the identifier; or None.
        file_names: of pictures, by their ids, for messages.
    """

    instance: LatentSet
    prior: LatentSet | None
    validation: LatentSet | None
    file_names: Mapping[str, str] = field(default_factory=dict)

    def trained_on(self) -> tuple[tuple[str, LatentSet], ...]:
        """Return the sets that each slot takes a picture of, by what their draws are keyed with."""
        prior = (("prior", self.prior),) if self.prior is not None else ()
        return (("instance", self.instance), *prior)

    def name(self, latents: LatentSet, row: int) -> str:
        """Return what a picture is called in messages."""
        image_id = latents.image_ids[row]
        return self.file_names.get(image_id, image_id)


@dataclass(frozen=True)
class Examples:
    """Noised latents and what the network should say of them.

    Attributes:
        x_t: (B, C, h, w) float32.
        t: (B,) int64.
        context: (B, L, D) float32.
        wanted: (B, C, h, w) float32, epsilon or v.
    """

    x_t: Tensor
    t: Tensor
    context: Tensor
    wanted: Tensor


class DreamBoothObjective(ValidatedObjective):
    """E ||eps - eps_theta(z_t, t, c)||^2 + lambda E ||eps' - eps_theta(z'_t', t', c')||^2.

    c says "a [V] class" and c' "a class" (Ruiz et al. 2023, eq. 2; for v-prediction models both terms are on
    v). A slot is one picture of the subject and, with prior preservation, one class picture beside it.
    Latents are drawn anew from the VAE's posterior at every use.
    """

    def __init__(
        self,
        model: DiffusionModel,
        data: DreamBoothData,
        conditioning: Conditioning,
        *,
        batch_size: int,
        prior_weight: float,
        validation_draws: int,
        seed: int,
        unet_layers: UNetLayers = "all",
    ) -> None:
        super().__init__()
        self.unet = model.unet
        for name, parameter in self.unet.named_parameters():
            parameter.requires_grad_(is_tuned(name, unet_layers))
        use_training_attention(self.unet)
        self.conditioning = conditioning
        self.batch_size = batch_size
        self._model = model
        self._data = data
        self._prior_weight = prior_weight
        self._validation_draws = validation_draws
        self._seed = seed

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"unet": self.unet, **self.conditioning.trained_modules()}

    @override
    def frozen_modules(self) -> Mapping[str, nn.Module]:
        parts = {"vae": self._model.vae, "text_encoder": self._model.text_encoder}
        return {name: part for name, part in parts.items() if name not in self.trained_modules()}

    @override
    def ingredients(self, step: int, slots: Sequence[int]) -> tuple[str, ...]:
        drawn = []
        for purpose, latents in self._data.trained_on():
            rows = self._rows(latents, purpose, step, slots)
            drawn.append([f"{self._data.name(latents, row)} ({purpose})" for row in rows])
        return tuple(" with ".join(names) for names in zip(*drawn, strict=True))

    @override
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        batch = _joined(
            [
                self._examples(latents, purpose, step, list(slots))
                for purpose, latents in self._data.trained_on()
            ]
        )
        per_sample = simple_loss(self._predict(batch), batch.wanted)
        instance, prior = per_sample[: len(slots)], per_sample[len(slots) :]
        total = dreambooth_loss(instance, prior, self._prior_weight)
        parts = {"instance": instance.mean()}
        if self._data.prior is not None:
            parts["prior"] = prior.mean()
        return Losses(total, parts)

    @property
    def can_validate(self) -> bool:
        """Whether there are held-out pictures."""
        return self._data.validation is not None

    @property
    def validation_size(self) -> int:
        """Samples through the U-Net in one validation."""
        return len(self._data.validation) * self._validation_draws if self._data.validation is not None else 0

    @override
    def validation_loss(self) -> float:
        """Return the mean of L_simple over held-out pictures, at the same noises and timesteps every time.

        The timesteps of a picture are spread evenly over the schedule, so that the estimate does not depend
        on which ones happened to be drawn.

        Raises:
            NumericsError: when a loss is not finite; it names the pictures.
        """
        latents = self._data.validation
        assert latents is not None, "the trainer validates only when there are held-out pictures"
        losses = torch.stack(
            [self._validation_draw(latents, draw) for draw in range(self._validation_draws)], dim=1
        )
        require_finite(
            losses,
            [self._data.name(latents, row) for row in range(len(latents))],
            where="train, held-out loss",
            fix="look at these pictures; lower train.learning_rate, or set base.precision=float32",
        )
        return float(losses.T.reshape(-1).mean())

    def _validation_draw(self, latents: LatentSet, draw: int) -> Tensor:
        rows = range(len(latents))
        x_0 = to_mean_latents(latents.means(rows), self._model.scaling_factor)
        epsilon = gaussian_batch(x_0.shape[1:], VALIDATION_SEED, "validation", list(rows), draw)
        level = int((draw + 0.5) / self._validation_draws * self._model.schedule.num_train_timesteps)
        batch = self._noised(x_0, epsilon, torch.full((len(rows),), level), self.conditioning(latents, rows))
        return simple_loss(self._predict(batch), batch.wanted)

    def _examples(self, latents: LatentSet, purpose: str, step: int, slots: Sequence[int]) -> Examples:
        rows = self._rows(latents, purpose, step, slots)
        shape = self._model.latent_shape
        posterior_noise = gaussian_batch(shape, self._seed, f"{purpose} posterior", slots, step)
        x_0 = to_latents(latents.means(rows), latents.stds(rows), posterior_noise, self._model.scaling_factor)
        epsilon = gaussian_batch(shape, self._seed, f"{purpose} epsilon", slots, step)
        t = integer_batch(self._model.schedule.num_train_timesteps, self._seed, f"{purpose} t", slots, step)
        return self._noised(x_0, epsilon, t, self.conditioning(latents, rows))

    def _rows(self, latents: LatentSet, purpose: str, step: int, slots: Sequence[int]) -> list[int]:
        return drawn_rows(self._seed, purpose, step * self.batch_size, slots, len(latents))

    def _noised(self, x_0: Tensor, epsilon: Tensor, t: Tensor, context: Tensor) -> Examples:
        device, schedule = self._model.device, self._model.schedule
        x_0, epsilon, t = x_0.to(device), epsilon.to(device), t.to(device)
        x_t = add_noise(schedule, x_0, epsilon, t)
        return Examples(x_t, t, context.to(device), target(schedule, x_0, epsilon, t))

    def _predict(self, batch: Examples) -> Tensor:
        prediction: Tensor = self.unet(batch.x_t, batch.t, encoder_hidden_states=batch.context).sample
        return prediction


def drawn_rows(seed: int, purpose: str, first: int, slots: Sequence[int], population: int) -> list[int]:
    """Return the row of each slot: draw d takes place d of a shuffled epoch, so that all are used alike."""
    rows = []
    for slot in slots:
        epoch, place = divmod(first + slot, population)
        order = torch.randperm(population, generator=keyed_generator(seed, f"{purpose} order", epoch))
        rows.append(int(order[place]))
    return rows


def _joined(examples: Sequence[Examples]) -> Examples:
    return Examples(
        torch.cat([e.x_t for e in examples]),
        torch.cat([e.t for e in examples]),
        torch.cat([e.context for e in examples]),
        torch.cat([e.wanted for e in examples]),
    )
