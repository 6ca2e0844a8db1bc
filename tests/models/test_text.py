from pathlib import Path

import pytest
import torch

from moongate.errors import InputError
from moongate.models.base import DiffusionModel, load_model
from moongate.models.source import BaseSource
from moongate.models.text import embed_tokens, encode_prompts, tokenize
from moongate.models.tokens import count_tokens


@pytest.fixture(scope="module")
def model(tiny_sd1: Path) -> DiffusionModel:
    return load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "bfloat16")


def test_prompts_become_rows_of_the_full_length(model: DiffusionModel) -> None:
    embeddings = encode_prompts(model, ["a sks duck", "", "a duck in the snow"])
    assert embeddings.shape == (3, 16, 24)
    assert embeddings.dtype == torch.float32


def test_a_prompt_is_the_same_in_any_company(model: DiffusionModel) -> None:
    alone, among = encode_prompts(model, ["a duck"]), encode_prompts(model, ["red", "a duck"])
    torch.testing.assert_close(alone[0], among[1], atol=1e-5, rtol=0)


def test_tokens_are_counted_with_both_end_marks(model: DiffusionModel) -> None:
    assert count_tokens(model.tokenizer, "").tokens == 2
    assert count_tokens(model.tokenizer, "a sks duck").tokens == 5


def test_longest_prompt_fits_and_one_more_token_is_refused_with_what_would_be_cut(
    model: DiffusionModel,
) -> None:
    assert tokenize(model.tokenizer, ["a " * 14]).shape == (1, 16)
    with pytest.raises(InputError, match="17 tokens and the model takes 16.*cut off: 'duck'"):
        tokenize(model.tokenizer, ["a " * 14 + "duck"])


def test_text_encoder_can_be_trained_through(model: DiffusionModel) -> None:
    table = model.text_encoder.get_input_embeddings().weight
    table.requires_grad_(True)
    try:
        embed_tokens(model.text_encoder, tokenize(model.tokenizer, ["a duck"])).square().mean().backward()
        assert table.grad is not None
        assert table.grad.abs().sum() > 0
    finally:
        table.requires_grad_(False)
