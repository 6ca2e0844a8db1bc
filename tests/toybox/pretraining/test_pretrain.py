"""The whole pretraining at two steps a phase: every part is real, only short."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from moongate.models.base import load_model
from moongate.models.extractor_source import resolve_extractor
from moongate.models.features import ClipExtractor, ViTExtractor
from moongate.models.source import BaseSource
from moongate.progress import Silent
from moongate.toybox.judges import Judges
from moongate.toybox.pretraining.config import PhaseConfig, PretrainConfig
from moongate.toybox.pretraining.pretrain import pretrain


def short(batch_size: int) -> PhaseConfig:
    return PhaseConfig(steps=2, batch_size=batch_size, learning_rate=1e-3, warmup_steps=0, checkpoint_every=1)


CONFIG = PretrainConfig(
    pictures=24,
    instance_pictures=8,
    held_out=8,
    judged_prompts=4,
    device="cpu",
    precision="float32",
    autoencoder=short(2),
    decoder=short(2),
    clip=short(4),
    identity=short(4),
    judges=short(4),
    denoiser=short(2),
)


class Counting(Silent):
    """Progress that remembers which bars were opened, and how far each went in this call."""

    def __init__(self) -> None:
        self.advanced: dict[str, int] = {}

    def track(self, description, total):
        from contextlib import contextmanager

        @contextmanager
        def bar():
            self.advanced[description] = 0
            yield lambda n: self.advanced.update({description: self.advanced[description] + n})

        return bar()


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pretraining")


@pytest.fixture(scope="module")
def bundle(work) -> Path:
    return pretrain(CONFIG, work / "bundle", work / "work", Silent())


def test_the_base_is_a_folder_that_stock_diffusers_reads(bundle):
    pipeline = StableDiffusionPipeline.from_pretrained(bundle / "base", torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a red duck in the snow", num_inference_steps=2, height=64, width=64).images[0]
    assert picture.size == (64, 64)


def test_every_model_of_the_bundle_loads_where_it_is_used(bundle):
    assert load_model(BaseSource(bundle / "base", "toybox"), "cpu", "float32").resolution == 64
    Judges.load(bundle / "judges")
    ViTExtractor(resolve_extractor("identity", str(bundle / "identity")), torch.device("cpu"), 4)
    ClipExtractor(resolve_extractor("clip", str(bundle / "clip")), torch.device("cpu"), 4)


def test_the_card_shows_the_measured_figures(bundle):
    figures = json.loads((bundle / "figures.json").read_text())
    assert figures["prompts"] == 4
    assert f"PSNR {figures['vae_psnr_db']:.2f} dB" in (bundle / "model_card.md").read_text()


def test_a_finished_pretraining_trains_nothing_again(bundle, work):
    progress = Counting()
    again = pretrain(CONFIG, work / "again", work / "work", progress)
    assert not {"autoencoder", "decoder", "clip", "judges", "identity", "denoiser"} & progress.advanced.keys()
    for name in ("base/unet/diffusion_pytorch_model.safetensors", "judges/model.safetensors"):
        assert (again / name).read_bytes() == (bundle / name).read_bytes()


@pytest.mark.parametrize(
    ("phase", "rebuilt"),
    [
        ("clip", {"clip", "denoiser"}),
        ("autoencoder", {"autoencoder", "decoder", "denoiser"}),
        ("decoder", {"decoder"}),
    ],
)
def test_changing_one_phase_trains_only_what_stands_on_it(bundle, work, tmp_path, phase, rebuilt):
    own = tmp_path / "work"
    shutil.copytree(work / "work", own)
    progress = Counting()
    other = getattr(CONFIG, phase).model_copy(update={"learning_rate": 2e-3})
    pretrain(CONFIG.model_copy(update={phase: other}), tmp_path / "changed", own, progress)
    phases = {"autoencoder", "decoder", "clip", "judges", "identity", "denoiser"}
    assert phases & progress.advanced.keys() == rebuilt
