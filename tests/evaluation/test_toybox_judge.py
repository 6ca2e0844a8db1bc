from pathlib import Path

import numpy as np
import torch

from moongate.evaluation.picture_sets import Truth
from moongate.evaluation.toybox_judge import JudgeSource, judges_of, load_judge
from moongate.models.source import BaseSource
from moongate.toybox.judges import JudgeNetwork, Judges, save_judges


def write_judges(folder: Path, seed: int) -> JudgeSource:
    network = JudgeNetwork()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.1, generator=generator)
    save_judges(network, folder)
    return JudgeSource(folder)


def test_it_says_what_the_judges_see(tmp_path: Path) -> None:
    source = write_judges(tmp_path, seed=0)
    generator = np.random.Generator(np.random.PCG64(1))
    pictures = list(generator.integers(0, 256, size=(5, 64, 64, 3), dtype=np.uint8))
    verdicts = Judges.load(tmp_path).judge(pictures)
    expected = [Truth(verdict.object, verdict.colour, verdict.scene) for verdict in verdicts]
    assert load_judge(source).judge(pictures) == expected


def test_its_name_follows_its_weights(tmp_path: Path) -> None:
    names = [write_judges(tmp_path / str(i), seed).name for i, seed in enumerate((0, 0, 1))]
    assert names[0] == names[1] != names[2]


def test_only_the_bundled_base_model_has_judges(tmp_path: Path) -> None:
    assert judges_of(BaseSource(tmp_path, "toybox")) is None
