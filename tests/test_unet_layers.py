"""The names of layers are those that diffusers gives them."""

from diffusers.models.attention_processor import Attention

from moongate.models.base import load_model
from moongate.models.source import BaseSource
from moongate.unet_layers import is_tuned


def test_attention_means_the_attention_modules_of_the_transformer_blocks(tiny_sd1) -> None:
    unet = load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "float32").unet
    inside = {
        f"{place}.{name}"
        for place, module in unet.named_modules()
        if isinstance(module, Attention)
        for name, _ in module.named_parameters()
    }
    names = [name for name, _ in unet.named_parameters()]
    assert inside
    assert {name for name in names if is_tuned(name, "attention")} == inside
    assert all(is_tuned(name, "all") for name in names)
