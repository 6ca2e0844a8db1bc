"""Prompts to embeddings, as Stable Diffusion's pipelines make them, but without silent cutting."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from moongate.errors import InputError
from moongate.models.base import DiffusionModel
from moongate.models.tokens import TokenCount, count_tokens


def tokenize(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> Tensor:
    """Return token ids, (B, L) int64, padded to the tokenizer's full length.

    Raises:
        InputError: when a prompt is too long; the message shows what would be cut.
    """
    for refused in too_long(tokenizer, prompts).values():
        raise refused
    length = tokenizer.model_max_length
    encoded = tokenizer(list(prompts), padding="max_length", max_length=length, return_tensors="pt")
    return encoded.input_ids


def embed_tokens(text_encoder: CLIPTextModel, token_ids: Tensor) -> Tensor:
    """Return the last hidden states, (B, L, D), differentiable in the text encoder's weights.

    Args:
        text_encoder: the text encoder.
        token_ids: (B, L) int64 on the text encoder's device.
    """
    # Without a mask: Stable Diffusion was trained with padding as a part of the prompt.
    return text_encoder(token_ids).last_hidden_state


@torch.no_grad()
def encode_prompts(model: DiffusionModel, prompts: Sequence[str]) -> Tensor:
    """Return prompt embeddings, (B, L, D) float32 on the model's device.

    Raises:
        InputError: when a prompt is too long; the message shows what would be cut.
    """
    token_ids = tokenize(model.tokenizer, prompts).to(model.device)
    return embed_tokens(model.text_encoder, token_ids).float()


def too_long(tokenizer: CLIPTokenizer, prompts: Iterable[str]) -> dict[str, InputError]:
    """Return the error of each prompt that the model would cut."""
    counts = {prompt: count_tokens(tokenizer, prompt) for prompt in prompts}
    return {prompt: _too_long(prompt, count) for prompt, count in counts.items() if not count.fits}


def _too_long(prompt: str, count: TokenCount) -> InputError:
    return InputError(
        "a prompt is too long for the model",
        where=f"prompt {prompt!r}",
        why=f"it has {count.complaint()}",
        fix="shorten the prompt",
    )
