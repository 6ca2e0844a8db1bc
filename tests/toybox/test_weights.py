"""What the shipped weights must be good for; `docs/results.md` has the measured figures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from moongate.models.base import load_model
from moongate.models.extractor_source import resolve_extractor
from moongate.models.features import ViTExtractor
from moongate.models.source import BaseSource, bundled_folder
from moongate.toybox.instances import SUBJECTS
from moongate.toybox.judges import Judges
from moongate.toybox.pretraining.autoencoder import reconstruction_psnr
from moongate.toybox.pretraining.figures import Figures, judge_pictures
from moongate.toybox.pretraining.renders import RenderedSet
from moongate.toybox.renderer import render
from moongate.toybox.worlds import sample_spec

SUBJECT_PICTURES = Path(__file__).parents[2] / "datasets" / "subjects"
NEVER_TRAINED_ON = range(1_500_000, 1_500_200)


@pytest.fixture(scope="module")
def held_out() -> RenderedSet:
    specs = [sample_spec(seed) for seed in NEVER_TRAINED_ON]
    images = [render(spec, seed).image for spec, seed in zip(specs, NEVER_TRAINED_ON, strict=True)]
    return RenderedSet(specs, torch.from_numpy(np.stack(images)))


def test_all_weights_together_are_at_most_32_mib():
    assert sum(p.stat().st_size for p in bundled_folder().rglob("*") if p.is_file()) <= 32 * 2**20


def test_nothing_is_pickled():
    assert not [
        p for p in bundled_folder().rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl")
    ]


def test_the_judges_are_right_about_pictures_they_never_saw(held_out):
    shares = judge_pictures(Judges.load(bundled_folder() / "judges"), held_out.images, held_out.specs)
    assert min(shares) >= 0.985


def test_the_autoencoder_gives_pictures_back(held_out):
    vae = load_model(BaseSource(bundled_folder() / "base", "toybox"), "cpu", "float32").vae
    some = RenderedSet(held_out.specs[:40], held_out.images[:40])
    claimed = json.loads((bundled_folder() / "figures.json").read_text())["vae_psnr_db"]
    assert reconstruction_psnr(vae, some) == pytest.approx(claimed, abs=1.0)


def test_every_held_out_picture_is_nearest_to_its_own_subject():
    encoder = ViTExtractor(resolve_extractor("identity", "bundled"), torch.device("cpu"), 16)

    def features(name: str, part: str) -> np.ndarray:
        files = sorted((SUBJECT_PICTURES / name / part).glob("*.png"))
        return encoder.images([np.asarray(Image.open(file)) for file in files])

    train = {name: features(name, "train") for name in SUBJECTS}
    for name in SUBJECTS:
        nearness = {other: features(name, "holdout") @ train[other].T for other in SUBJECTS}
        for picture in range(5):
            means = {other: float(matrix[picture].mean()) for other, matrix in nearness.items()}
            assert max(means, key=means.__getitem__) == name


def test_the_model_card_shows_the_figures_that_were_measured():
    figures = Figures(**json.loads((bundled_folder() / "figures.json").read_text()))
    card = (bundled_folder() / "model_card.md").read_text()
    assert f"{figures.vae_psnr_db:.2f} dB" in card
    assert f"object {figures.sample_object:.1%}" in card
