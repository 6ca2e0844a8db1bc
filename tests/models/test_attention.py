"""The attention a UNet is trained with is the one it is drawn with, only quicker on a CPU."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from moongate.models.attention import use_training_attention


def _unet(sample_size: int) -> UNet2DConditionModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return UNet2DConditionModel(
            sample_size=sample_size,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            attention_head_dim=2,
            cross_attention_dim=12,
            norm_num_groups=4,
        )


def _gradients(unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    x_t, context = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(2, 5, 12, generator=draw)
    unet.zero_grad()
    unet(x_t, torch.tensor([3, 700]), context).sample.square().mean().backward()
    return {name: parameter.grad.clone() for name, parameter in unet.named_parameters()}


def test_training_attention_has_the_gradients_of_the_fused_kernel() -> None:
    unet = _unet(8)
    fused = _gradients(unet)
    use_training_attention(unet)
    assert {type(p) for p in unet.attn_processors.values()} == {AttnProcessor}
    products = _gradients(unet)
    scale = max(float(gradient.abs().max()) for gradient in fused.values())
    for name, gradient in fused.items():
        torch.testing.assert_close(products[name], gradient, atol=1e-5 * scale, rtol=1e-4)


@pytest.mark.parametrize(("sample_size", "expected"), [(32, AttnProcessor), (64, AttnProcessor2_0)])
def test_long_sequences_keep_the_kernel_that_never_holds_the_whole_matrix(
    sample_size: int, expected: type
) -> None:
    unet = _unet(sample_size)
    use_training_attention(unet)
    assert {type(p) for p in unet.attn_processors.values()} == {expected}
