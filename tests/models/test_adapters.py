import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from moongate.errors import ModelError
from moongate.models.adapters import AdapterCard, apply_adapter, read_card, save_adapter
from moongate.models.base import DiffusionModel, load_model
from moongate.models.source import BaseSource


@pytest.fixture
def model(tiny_sd1: Path) -> DiffusionModel:
    return load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "float32")


@pytest.fixture
def card(model: DiffusionModel) -> AdapterCard:
    return AdapterCard("dreambooth", "sks", "duck", model.source.digest(), 400, "lowest validation loss")


def test_what_was_saved_is_put_into_the_model(
    model: DiffusionModel, card: AdapterCard, tmp_path: Path
) -> None:
    untouched = model.unet.conv_out.weight.clone()
    unet = {"conv_in.weight": torch.full((16, 4, 3, 3), 0.25, dtype=torch.float16)}
    text = {name: t + 1 for name, t in model.text_encoder.state_dict().items() if name.endswith("bias")}
    save_adapter(tmp_path, unet, text, card)
    assert apply_adapter(model, tmp_path) == card
    assert model.unet.conv_in.weight.dtype == torch.float32
    assert (model.unet.conv_in.weight == 0.25).all()
    assert torch.equal(model.unet.conv_out.weight, untouched)
    assert all(torch.equal(model.text_encoder.state_dict()[name], tensor) for name, tensor in text.items())


def test_frozen_text_encoder_is_not_written(model: DiffusionModel, card: AdapterCard, tmp_path: Path) -> None:
    save_adapter(tmp_path, {"conv_in.bias": torch.zeros(16)}, None, card)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter.json", "unet.safetensors"]


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"conv_in.weights": torch.zeros(16, 4, 3, 3)}, "there is no conv_in.weights"),
        ({"conv_in.weight": torch.zeros(16, 9, 3, 3)}, "conv_in.weight has another shape"),
        ({"conv_in.bias": torch.full((16,), float("nan"))}, "conv_in.bias is damaged"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_and_nothing_is_changed(
    model: DiffusionModel, card: AdapterCard, tmp_path: Path, tensors: dict[str, Any], said: str
) -> None:
    before = {name: tensor.clone() for name, tensor in model.unet.state_dict().items()}
    save_adapter(tmp_path, {"conv_out.bias": torch.ones(4)} | tensors, None, card)
    with pytest.raises(ModelError, match=said):
        apply_adapter(model, tmp_path)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.unet.state_dict().items())


def test_adapter_of_another_base_is_refused(model: DiffusionModel, card: AdapterCard, tmp_path: Path) -> None:
    save_adapter(tmp_path, {"conv_in.bias": torch.zeros(16)}, None, replace(card, base_digest="0" * 64))
    with pytest.raises(ModelError, match="another base model"):
        apply_adapter(model, tmp_path)


def test_damaged_and_empty_adapters_are_refused(
    model: DiffusionModel, card: AdapterCard, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no readable card"):
        apply_adapter(model, tmp_path)
    save_adapter(tmp_path, {}, None, card)
    (tmp_path / "unet.safetensors").unlink()
    with pytest.raises(ModelError, match="adapter is empty"):
        apply_adapter(model, tmp_path)
    (tmp_path / "unet.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be read"):
        apply_adapter(model, tmp_path)


def test_card_is_strict(card: AdapterCard, tmp_path: Path) -> None:
    save_adapter(tmp_path, {"a": torch.zeros(1)}, None, card)
    path = tmp_path / "adapter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"extra": 1}))
    with pytest.raises(ModelError, match="extra"):
        read_card(tmp_path)


def test_tensors_that_share_memory_are_saved(card: AdapterCard, tmp_path: Path) -> None:
    whole = torch.arange(8.0)
    save_adapter(tmp_path, {"left": whole[:4], "right": whole[2:6]}, None, card)
    expected = {"left": whole[:4].clone(), "right": whole[2:6].clone()}
    save_file(expected, tmp_path / "expected.safetensors")
    assert (tmp_path / "unet.safetensors").read_bytes() == (tmp_path / "expected.safetensors").read_bytes()
