"""The distinct prompts of a stage, each embedded once."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from moongate.models.base import DiffusionModel
from moongate.models.text import encode_prompts

_PROMPTS_AT_ONCE = 64


class PromptBook:
    """Looks up the embedding of a prompt.

    Attributes:
        prompts: the distinct prompts, in the order in which they were first given.
        embeddings: (P, L, D) float32 on the CPU, one row a distinct prompt.

    Raises:
        InputError: when a prompt is too long for the model.
    """

    def __init__(self, model: DiffusionModel, prompts: Iterable[str]) -> None:
        self.prompts = tuple(dict.fromkeys(prompts))
        self._row = {prompt: row for row, prompt in enumerate(self.prompts)}
        parts = [
            encode_prompts(model, self.prompts[start : start + _PROMPTS_AT_ONCE]).cpu()
            for start in range(0, len(self.prompts), _PROMPTS_AT_ONCE)
        ]
        self.embeddings = torch.cat(parts)

    def of(self, prompts: Sequence[str]) -> Tensor:
        """Return the embeddings of `prompts`, (B, L, D) float32 on the CPU."""
        return self.embeddings[[self._row[prompt] for prompt in prompts]]
