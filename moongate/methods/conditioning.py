"""Where the prompt embeddings of a training batch come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from moongate.artifacts.latents import LatentSet
from moongate.models.base import DiffusionModel
from moongate.models.text import embed_tokens, tokenize


class Conditioning(nn.Module, ABC):
    """Gives (B, L, D) prompt embeddings for rows of a latent set, and names what of it is trained."""

    @abstractmethod
    def forward(self, latents: LatentSet, rows: Sequence[int]) -> Tensor:
        """Return the embeddings of the prompts of `rows`, (B, L, D) float32."""

    @abstractmethod
    def trained_modules(self) -> Mapping[str, nn.Module]:
        """Return the modules that are optimised and saved, by the name under which they are saved."""


class CachedText(Conditioning):
    """The text encoder is frozen: embeddings come from the latent set, and the encoder is never run."""

    @override
    def forward(self, latents: LatentSet, rows: Sequence[int]) -> Tensor:
        return latents.embeddings(rows)

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {}


class TrainedText(Conditioning):
    """The text encoder is trained: prompts are encoded anew for every micro-batch, each distinct one once."""

    def __init__(self, model: DiffusionModel) -> None:
        super().__init__()
        self.text_encoder = model.text_encoder.requires_grad_(True)
        self._tokenizer = model.tokenizer
        self._device = model.device
        self._known: dict[str, Tensor] = {}

    @override
    def forward(self, latents: LatentSet, rows: Sequence[int]) -> Tensor:
        prompts = [latents.prompts[row] for row in rows]
        distinct = dict.fromkeys(prompts)
        token_ids = torch.cat([self._tokens(prompt) for prompt in distinct])
        embedded = dict(zip(distinct, embed_tokens(self.text_encoder, token_ids), strict=True))
        return torch.stack([embedded[prompt] for prompt in prompts])

    def _tokens(self, prompt: str) -> Tensor:
        """Return (1, L) token ids, brought to the device once, for that is waited for."""
        if prompt not in self._known:
            self._known[prompt] = tokenize(self._tokenizer, [prompt]).to(self._device)
        return self._known[prompt]

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"text_encoder": self.text_encoder}
