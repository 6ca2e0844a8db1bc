import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moongate.config import BaseConfig
from moongate.errors import ModelError
from moongate.models.source import BaseSource, bundled_folder, resolve_base

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copy(tiny_sd1: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_sd1, tmp_path / "my-model"))


def edit_index(folder: Path, **changes: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_folder_is_found_and_named(copy: Path) -> None:
    source = resolve_base(BaseConfig(model=str(copy)))
    assert source == BaseSource(copy, name="my-model", revision=None)


def test_toybox_is_the_folder_that_travels_with_the_package() -> None:
    assert bundled_folder().parts[-3:] == ("moongate", "toybox", "weights")


def test_digest_is_of_contents_and_not_of_places_or_times(copy: Path, tiny_sd1: Path, tiny_sd2: Path) -> None:
    original = BaseSource(tiny_sd1, "one").digest()
    assert BaseSource(copy, "two").digest() == original
    assert BaseSource(tiny_sd2, "one").digest() != original


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model.safetensors", "tokenizer/vocab.json"])
def test_one_changed_byte_changes_the_digest_even_at_equal_size(copy: Path, part: str) -> None:
    before = BaseSource(copy, "m").digest()
    content = bytearray((copy / part).read_bytes())
    content[-2] ^= 1
    (copy / part).write_bytes(content)
    assert BaseSource(copy, "m").digest() != before


def test_a_changed_byte_is_seen_although_the_time_of_writing_was_set_back(copy: Path) -> None:
    before, weights = BaseSource(copy, "m").digest(), copy / "unet/diffusion_pytorch_model.safetensors"
    written, content = weights.stat(), bytearray(weights.read_bytes())
    content[-2] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert weights.stat().st_mtime_ns == written.st_mtime_ns
    assert BaseSource(copy, "m").digest() != before


def test_files_that_loading_does_not_read_do_not_matter(copy: Path) -> None:
    before = BaseSource(copy, "m").digest()
    (copy / "README.md").write_text("hello")
    (copy / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    assert resolve_base(BaseConfig(model=str(copy))).digest() == before


def test_half_precision_variants_are_read(copy: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    source = resolve_base(BaseConfig(model=str(copy)))
    assert source.variant("unet") == "fp16"
    assert source.variant("vae") is None
    assert Path("unet/diffusion_pytorch_model.fp16.safetensors") in source.files()


def test_pickles_are_refused(copy: Path) -> None:
    (copy / "unet" / "diffusion_pytorch_model.safetensors").rename(
        copy / "unet" / "diffusion_pytorch_model.bin"
    )
    with pytest.raises(ModelError, match="weights of unet are a pickle"):
        resolve_base(BaseConfig(model=str(copy)))


@pytest.mark.parametrize(
    "missing",
    ["model_index.json", "scheduler/scheduler_config.json", "vae/config.json", "text_encoder", "tokenizer"],
)
def test_incomplete_models_are_refused_with_what_is_missing(copy: Path, missing: str) -> None:
    path = copy / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ModelError, match=f"{missing}.* missing"):
        resolve_base(BaseConfig(model=str(copy)))


def test_damaged_index_is_refused(copy: Path) -> None:
    (copy / "model_index.json").write_text("{")
    with pytest.raises(ModelError, match=r"model_index.json cannot be read"):
        resolve_base(BaseConfig(model=str(copy)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unet": ["my_unet", "MyUNet"]}, "unet needs code of its own"),
        (
            {"text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]},
            "text_encoder_2 is not supported",
        ),
        ({"vae": ["diffusers", "AutoencoderTiny"]}, "vae is not supported"),
        ({"scheduler": None}, "an entry for 'scheduler'"),
    ],
)
def test_models_of_another_kind_are_refused(copy: Path, changes: dict[str, object], said: str) -> None:
    edit_index(copy, **changes)
    with pytest.raises(ModelError, match=said):
        resolve_base(BaseConfig(model=str(copy)))


def test_safety_checker_is_left_alone(copy: Path) -> None:
    edit_index(copy, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    assert resolve_base(BaseConfig(model=str(copy))).folder == copy


def test_hub_models_need_a_commit() -> None:
    with pytest.raises(ModelError, match="needs a pinned revision"):
        resolve_base(BaseConfig(model="owner/name"))


@pytest.mark.parametrize("model", ["no/such/folder", "nowhere", "./here"])
def test_what_is_no_model_is_refused(model: str) -> None:
    with pytest.raises(ModelError, match="there is no base model"):
        resolve_base(BaseConfig(model=model))


def test_hub_snapshot_on_disk_is_used_without_network(tiny_sd1: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--owner--name" / "snapshots" / REVISION
    shutil.copytree(tiny_sd1, snapshot)
    found = _resolve_in_another_process(tmp_path, "print(source.folder, source.name, source.revision)")
    assert found == f"{snapshot} owner/name {REVISION}"


def test_finding_and_hashing_a_model_needs_no_torch(tiny_sd1: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_sd1, tmp_path / "models--owner--name" / "snapshots" / REVISION)
    found = _resolve_in_another_process(
        tmp_path, "source.digest(); import sys; print('torch' in sys.modules, 'diffusers' in sys.modules)"
    )
    assert found == "False False"


def test_hub_model_that_cannot_be_fetched_is_explained(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        _resolve_in_another_process(tmp_path, "")
    assert "the hub model owner/name could not be fetched" in failure.value.stderr


def _resolve_in_another_process(cache: Path, then: str) -> str:
    """Resolve owner/name with this cache and no network; the libraries read both settings when imported."""
    code = (
        "from moongate.config import BaseConfig; from moongate.models.source import resolve_base; "
        f"source = resolve_base(BaseConfig(model='owner/name', revision='{REVISION}')); {then}"
    )
    environment = {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
