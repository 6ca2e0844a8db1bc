"""Base models that would run a stranger's code, or could change under a run."""

import json
import shutil
from pathlib import Path

from pydantic import ValidationError

from benchmarks.faults.case import NOTHING, Case, Seen, refusal
from benchmarks.faults.workplace import BASE
from moongate.config import BaseConfig
from moongate.models.source import resolve_base

_UNET = Path("unet", "diffusion_pytorch_model.safetensors")


def _pickled(folder: Path) -> Seen:
    model = _copy(folder)
    (model / _UNET).rename((model / _UNET).with_suffix(".bin"))
    return _refused(str(model), "the message has the command that converts it")


def _single_file(folder: Path) -> Seen:
    file = folder / "model.ckpt"
    file.write_bytes(b"")
    return _refused(str(file), "the message has the command that converts it")


def _own_code(folder: Path) -> Seen:
    model = _copy(folder)
    index = json.loads((model / "model_index.json").read_text(encoding="utf-8"))
    (model / "model_index.json").write_text(json.dumps(index | {"unet": ["my_unet", "MyUNet"]}), "utf-8")
    return _refused(str(model), "another checkpoint has to be named")


def _branch(_folder: Path) -> Seen:
    try:
        BaseConfig(model="owner/name", revision="main")
    except ValidationError as error:
        return Seen(error.errors()[0]["msg"], NOTHING, "a commit has to be named", True)
    raise AssertionError("a branch was accepted")


def _no_revision(_folder: Path) -> Seen:
    return _refused("owner/name", "a commit has to be named")


def _refused(model: str, goes_on: str) -> Seen:
    return Seen(refusal(lambda: resolve_base(BaseConfig(model=model))), NOTHING, goes_on, True)


def _copy(folder: Path) -> Path:
    return Path(shutil.copytree(BASE.folder, folder / "model"))


MODELS = (
    Case("a base model with a pickle", _pickled, "the weights of unet are a pickle"),
    Case("a base model in one .ckpt file", _single_file, "is a single file"),
    Case("a base model with code of its own", _own_code, "code that comes with weights is never run"),
    Case("a hub model at a branch", _branch, "is not a commit"),
    Case("a hub model without a revision", _no_revision, "needs a pinned revision"),
)
