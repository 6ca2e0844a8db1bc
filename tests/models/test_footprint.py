"""Sizes read from a model's files are those of the model."""

import torch

from moongate.models.base import load_model
from moongate.models.footprint import Footprint, picture_bytes, tuned_unet_bytes
from moongate.models.source import BaseSource
from moongate.models.text import encode_prompts


def test_sizes_are_those_of_the_loaded_model(tiny_model) -> None:
    source = BaseSource(tiny_model, "tiny")
    size, model = Footprint.of(source), load_model(source, "cpu", "float32")
    for part in ("unet", "vae", "text_encoder"):
        tensors = getattr(model, part).state_dict().values()
        values = sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())
        assert getattr(size, part) == values * 4, part
    assert size.latent == torch.zeros(model.latent_shape).nbytes
    assert size.embedding == encode_prompts(model, ["a duck"]).nbytes
    assert (size.resolution, size.picture) == (model.resolution, picture_bytes(model.resolution))


def test_tuned_layers_are_counted_in_the_files_header(tiny_model) -> None:
    source = BaseSource(tiny_model, "tiny")
    unet = load_model(source, "cpu", "float32").unet
    attention = [p for name, p in unet.named_parameters() if ".attn1." in name or ".attn2." in name]
    assert tuned_unet_bytes(source, "attention") == sum(p.numel() for p in attention) * 4
    assert tuned_unet_bytes(source, "all") == Footprint.of(source).unet
