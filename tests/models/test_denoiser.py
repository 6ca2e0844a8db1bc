from pathlib import Path

import pytest
import torch
from torch import Tensor

from moongate.diffusion.guidance import Guidance, rescale_guidance
from moongate.diffusion.noise import gaussian_batch
from moongate.diffusion.schedule import TransitionTable, timestep_table
from moongate.errors import ConfigError
from moongate.models.base import DiffusionModel, load_model
from moongate.models.denoiser import Denoiser, EvalCounter
from moongate.models.source import BaseSource
from moongate.models.text import encode_prompts


@pytest.fixture(scope="module")
def model(tiny_sd1: Path) -> DiffusionModel:
    return load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "float32")


@pytest.fixture(scope="module")
def table(model: DiffusionModel) -> TransitionTable:
    return timestep_table(model.schedule, 4)


@pytest.fixture(scope="module")
def x(model: DiffusionModel) -> Tensor:
    return gaussian_batch(model.latent_shape, 0, "x", [0, 1, 2])


def raw(model: DiffusionModel, x: Tensor, t: int, prompts: list[str]) -> Tensor:
    with torch.no_grad():
        return model.unet(x, t, encoder_hidden_states=encode_prompts(model, prompts)).sample


PROMPTS = ["a duck", "a red duck", "the beach"]


@pytest.mark.parametrize(("scale", "evaluations"), [(1.0, 3), (0.0, 3), (0.5, 6), (5.0, 6)])
def test_guidance_mixes_the_branches_and_evaluates_only_those_it_needs(
    model: DiffusionModel, table: TransitionTable, x: Tensor, scale: float, evaluations: int
) -> None:
    counter = EvalCounter()
    denoise = Denoiser(
        model,
        encode_prompts(model, PROMPTS),
        table=table,
        guidance=Guidance(scale),
        unconditional=encode_prompts(model, ["blue"]),
        counter=counter,
    )
    conditional, unconditional = raw(model, x, 501, PROMPTS), raw(model, x, 501, ["blue"] * 3)
    expected = unconditional + scale * (conditional - unconditional)
    torch.testing.assert_close(denoise(x, 501), expected, atol=2e-5, rtol=0)
    assert counter.evaluations == evaluations


def test_guidance_is_rescaled(model: DiffusionModel, table: TransitionTable, x: Tensor) -> None:
    embeddings, empty = encode_prompts(model, PROMPTS), encode_prompts(model, [""])
    plain = Denoiser(model, embeddings, table=table, guidance=Guidance(5.0), unconditional=empty)
    rescaled = Denoiser(model, embeddings, table=table, guidance=Guidance(5.0, 0.7), unconditional=empty)
    expected = rescale_guidance(plain(x, 501), raw(model, x, 501, PROMPTS), 0.7)
    torch.testing.assert_close(rescaled(x, 501), expected, atol=2e-5, rtol=0)


def test_interval_is_placed_by_the_table(model: DiffusionModel, table: TransitionTable, x: Tensor) -> None:
    denoise = Denoiser(
        model,
        encode_prompts(model, PROMPTS),
        table=table,
        guidance=Guidance(5.0, start=0.25, stop=0.75),
        unconditional=encode_prompts(model, [""]),
    )
    evaluations = []
    for row in table.rows:
        before = denoise.counter.evaluations
        denoise(x, row.t_source)
        evaluations.append(denoise.counter.evaluations - before)
    assert evaluations == [3, 6, 6, 3]


def test_rows_choose_the_prompts_of_the_samples_that_are_left(
    model: DiffusionModel, table: TransitionTable, x: Tensor
) -> None:
    denoise = Denoiser(model, encode_prompts(model, PROMPTS), table=table)
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(denoise(x[rows], 501, rows), denoise(x, 501)[rows], atol=2e-5, rtol=0)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_network_runs_in_low_precision_between_float32_states(
    tiny_sd1: Path, model: DiffusionModel, table: TransitionTable, x: Tensor, precision: str
) -> None:
    low = load_model(BaseSource(tiny_sd1, "tiny"), "cpu", precision)
    seen: list[torch.dtype] = []
    low.unet.mid_block.resnets[0].conv1.register_forward_hook(
        lambda module, args, out: seen.append(out.dtype)
    )
    output = Denoiser(low, encode_prompts(low, PROMPTS), table=table)(x, 501)
    assert output.dtype == torch.float32
    assert seen == [getattr(torch, precision)]
    torch.testing.assert_close(output, raw(model, x, 501, PROMPTS), atol=0.05, rtol=0)


def test_guidance_without_anything_to_be_guided_away_from_is_refused(
    model: DiffusionModel, table: TransitionTable
) -> None:
    with pytest.raises(ConfigError, match="needs an unconditional prompt"):
        Denoiser(model, encode_prompts(model, PROMPTS), table=table, guidance=Guidance(3.0))
