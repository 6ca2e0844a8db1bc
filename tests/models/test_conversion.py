"""Models in pickles or in one file are refused with a command, and the command does what is said."""

import shlex
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from moongate.config import BaseConfig
from moongate.errors import ModelError
from moongate.models.source import resolve_base

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def pickled(tiny_sd1: Path, tmp_path: Path) -> Path:
    """The tiny model with its UNet in a pickle, in a folder that a shell would take apart."""
    folder = Path(shutil.copytree(tiny_sd1, tmp_path / "it's a model"))
    torch.save(load_file(folder / UNET), (folder / UNET).with_suffix(".bin"))
    (folder / UNET).unlink()
    return folder


def command_in(error: ModelError) -> list[str]:
    return shlex.split(error.fix.splitlines()[1])


def test_the_command_in_the_refusal_makes_a_folder_that_is_accepted(pickled: Path, tiny_sd1: Path) -> None:
    with pytest.raises(ModelError, match="weights of unet are a pickle") as refused:
        resolve_base(BaseConfig(model=str(pickled)))
    assert "if you trust" in refused.value.fix
    python, option, code = command_in(refused.value)
    assert (Path(python).is_file(), option) == (True, "-c")
    # In this process, for another one would import torch and diffusers again; a shell passes the same words.
    exec(compile(code, "command", "exec"), {})
    source = resolve_base(BaseConfig(model=f"{pickled}-safetensors"))
    assert f"and give {source.folder} instead" in refused.value.fix
    for name, tensor in load_file(tiny_sd1 / UNET).items():
        assert torch.equal(load_file(source.folder / UNET)[name], tensor)


@pytest.mark.parametrize(("name", "is_pickle"), [("sd-v1-5.ckpt", True), ("sd v1.safetensors", False)])
def test_a_single_file_is_refused_with_its_command(tmp_path: Path, name: str, is_pickle: bool) -> None:
    file = tmp_path / name
    file.write_bytes(b"nobody reads this")
    with pytest.raises(ModelError, match="is a single file") as refused:
        resolve_base(BaseConfig(model=str(file)))
    code = command_in(refused.value)[2]
    assert f"from_single_file({str(file)!r})" in code
    assert f"{file.with_suffix('')}-safetensors" in code
    assert ("if you trust" in refused.value.fix) == is_pickle
