"""The UNet as the samplers see it: a function of (x, t), with prompt and guidance inside."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moongate.diffusion.guidance import OFF, Guidance, classifier_free_guidance, rescale_guidance
from moongate.diffusion.schedule import TransitionTable
from moongate.errors import ConfigError
from moongate.models.base import DiffusionModel
from moongate.models.devices import torch_dtype


@dataclass
class EvalCounter:
    """Counts samples that passed through the UNet; a guided step of B samples counts 2 B."""

    evaluations: int = 0


class Denoiser:
    """The network of a batch of prompts.

    Args:
        model: the model.
        embeddings: (B, L, D) float32, the prompt of each sample.
        table: the moves that will be walked, in sampling order; places guidance in its interval.
        guidance: how strongly the prompt pulls, and when.
        unconditional: (B, L, D) or (1, L, D) float32, the empty or negative prompt; needed with guidance.
        counter: counts the evaluations; may be shared.

    Raises:
        ConfigError: when guidance is on and there is no unconditional prompt.
    """

    def __init__(
        self,
        model: DiffusionModel,
        embeddings: Tensor,
        *,
        table: TransitionTable,
        guidance: Guidance = OFF,
        unconditional: Tensor | None = None,
        counter: EvalCounter | None = None,
    ) -> None:
        if guidance.needs_unconditional() and unconditional is None:
            raise ConfigError(
                "guidance needs an unconditional prompt",
                where="guidance",
                why=f"the scale is {guidance.scale}, and there is nothing to be guided away from",
                fix="pass the embedding of the empty or the negative prompt, or use guidance 1",
            )
        self.model = model
        self.counter = counter if counter is not None else EvalCounter()
        self._guidance = guidance
        self._step_of = {row.t_source: step for step, row in enumerate(table.rows)}
        self._conditional = embeddings.to(model.device)
        self._unconditional = self._conditional
        if unconditional is not None:
            self._unconditional = unconditional.to(model.device).expand_as(self._conditional)

    @torch.no_grad()
    def __call__(self, x: Tensor, t: int, rows: Tensor | None = None) -> Tensor:
        """Return the guided output of the network, (B, C, h, w) float32, on the device of `x`.

        Args:
            x: (B, C, h, w) float; rounded to float32 for the network.
            t: a noisier level of some row of the table.
            rows: (B,) int64, which samples of the batch `x` holds, or None for all.
        """
        everything = slice(None) if rows is None else rows.to(self.model.device)
        conditional, unconditional = self._conditional[everything], self._unconditional[everything]
        w, phi = self._guidance.scale_at(self._step_of[t], len(self._step_of)), self._guidance.rescale
        if w == 1:
            return self._evaluate(x, t, conditional)
        if w == 0 and phi == 0:
            return self._evaluate(x, t, unconditional)
        both = self._evaluate(torch.cat([x, x]), t, torch.cat([unconditional, conditional]))
        without, with_prompt = both.chunk(2)
        guided = classifier_free_guidance(without, with_prompt, w)
        return rescale_guidance(guided, with_prompt, phi) if phi > 0 else guided

    def _evaluate(self, x: Tensor, t: int, embeddings: Tensor) -> Tensor:
        self.counter.evaluations += len(x)
        dtype = torch_dtype(self.model.precision)
        on_device = x.to(self.model.device, torch.float32)
        timesteps = torch.full((len(x),), t, device=self.model.device)
        with torch.autocast(self.model.device.type, dtype=dtype, enabled=dtype != torch.float32):
            output = self.model.unet(on_device, timesteps, encoder_hidden_states=embeddings).sample
        return output.to(x.device, torch.float32)
