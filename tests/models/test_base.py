import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from moongate.errors import ConfigError, ModelError
from moongate.models.base import export_pipeline, load_model
from moongate.models.source import BaseSource


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def copy(tiny_sd1: Path, tmp_path: Path) -> BaseSource:
    return BaseSource(Path(shutil.copytree(tiny_sd1, tmp_path / "model")), "copy")


def test_sizes_are_read_from_the_model(tiny_model: Path) -> None:
    model = load_model(BaseSource(tiny_model, "tiny"), "cpu", "float32")
    assert model.latent_shape == (4, 8, 8)
    assert (model.downsampling, model.resolution, model.max_tokens) == (4, 32, 16)
    assert model.scaling_factor == 0.18215


def test_prediction_type_is_read_from_the_model(tiny_sd1: Path, tiny_sd2: Path) -> None:
    found = [load_model(BaseSource(f, "tiny"), "cpu", "float32").schedule for f in (tiny_sd1, tiny_sd2)]
    assert [schedule.prediction_type for schedule in found] == ["epsilon", "v_prediction"]


def test_parts_are_frozen_and_in_evaluation_mode(tiny_sd1: Path) -> None:
    model = load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "bfloat16")
    for part in (model.unet, model.vae, model.text_encoder):
        assert not part.training
        assert not any(parameter.requires_grad for parameter in part.parameters())
        assert {parameter.dtype for parameter in part.parameters()} == {torch.float32}


def test_weights_stored_in_half_precision_become_float32(copy: BaseSource) -> None:
    expected = {}
    for part, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        stored = copy.folder / part / f"{name}.safetensors"
        halves = {key: tensor.half() for key, tensor in load_file(stored).items()}
        stored.unlink()
        save_file(halves, stored.with_name(f"{name}.fp16.safetensors"), metadata={"format": "pt"})
        expected[part] = halves
    model = load_model(copy, "cpu", "bfloat16")
    weight = model.unet.conv_in.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, expected["unet"]["conv_in.weight"].float())
    assert {parameter.dtype for parameter in model.text_encoder.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("scheduler/scheduler_config.json", {"clip_sample": True}, "clip_sample"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "predict x_0"),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}, "zero terminal SNR"),
        ("scheduler/scheduler_config.json", {"steps_offset": 0}, "silently makes it 1"),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 77}, "up to 77 tokens"),
        ("vae/config.json", {"shift_factor": 0.1}, "the VAE needs shift_factor"),
    ],
)
def test_inconsistent_models_are_refused(
    copy: BaseSource, file: str, changes: dict[str, Any], said: str
) -> None:
    edit_json(copy.folder / file, **changes)
    with pytest.raises(ModelError) as refusal:
        load_model(copy, "cpu", "float32")
    assert said in str(refusal.value)


def test_offset_of_other_spacings_plays_no_part(copy: BaseSource) -> None:
    edit_json(copy.folder / "scheduler/scheduler_config.json", steps_offset=0, timestep_spacing="trailing")
    assert load_model(copy, "cpu", "float32").schedule.timestep_spacing == "trailing"


def test_unet_that_wants_more_than_latents_is_refused(copy: BaseSource) -> None:
    edit_json(copy.folder / "unet" / "config.json", in_channels=9)
    weights = copy.folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_in.weight"] = tensors["conv_in.weight"].repeat(1, 3, 1, 1)[:, :9].contiguous()
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="takes 9 and gives 4 channels"):
        load_model(copy, "cpu", "float32")


def test_unknown_device_and_precision_are_refused_before_loading(tiny_sd1: Path) -> None:
    with pytest.raises(ConfigError, match="'half'"):
        load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "half")
    with pytest.raises(ConfigError, match="device tpu"):
        load_model(BaseSource(tiny_sd1, "tiny"), "tpu", "float32")


def test_export_is_read_back_as_the_same_model(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(BaseSource(tiny_model, "tiny"), "cpu", "float32")
    export_pipeline(model, tmp_path / "export")
    again = load_model(BaseSource(tmp_path / "export", "export"), "cpu", "float32")
    assert again.scheduler_config == model.scheduler_config
    for part in ("unet", "vae", "text_encoder"):
        before, after = getattr(model, part).state_dict(), getattr(again, part).state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert not [path for path in (tmp_path / "export").rglob("*") if path.suffix in {".bin", ".ckpt", ".pt"}]


def test_loading_and_exporting_say_nothing_on_the_terminal(
    tiny_sd1: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export_pipeline(load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "float32"), tmp_path / "export")
    assert capfd.readouterr() == ("", "")
