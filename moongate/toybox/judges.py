"""The toybox's exact judges: classifiers of object, colour and scene, trained on renders only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from moongate.errors import ModelError
from moongate.toybox.vocabulary import COLOURS, OBJECTS, SCENES

WIDTHS = (16, 32, 64, 96)
ATTRIBUTES = {"object": OBJECTS, "colour": COLOURS, "scene": SCENES}


class JudgeNetwork(nn.Module):
    """A convolutional trunk, 64 x 64 to 8 x 8, with one linear head per attribute on its average and
    maximum.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTHS[0], 3, padding=1)]
        for source, target in pairwise(WIDTHS):
            layers += [nn.GroupNorm(8, source), nn.SiLU(), nn.Conv2d(source, target, 3, stride=2, padding=1)]
            layers += [nn.GroupNorm(8, target), nn.SiLU(), nn.Conv2d(target, target, 3, padding=1)]
        self.trunk = nn.Sequential(*layers, nn.GroupNorm(8, WIDTHS[-1]), nn.SiLU())
        self.heads = nn.ModuleDict(
            {name: nn.Linear(2 * WIDTHS[-1], len(words)) for name, words in ATTRIBUTES.items()}
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return logits (B, words) per attribute for images (B, 3, 64, 64) float32 in [-1, 1]."""
        features = self.trunk(images)
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        return {name: head(pooled) for name, head in self.heads.items()}


@dataclass(frozen=True)
class Verdict:
    """The words that the judges see in one picture."""

    object: str
    colour: str
    scene: str


class Judges:
    """Tells which object, colour and scene a picture shows; measured on held-out renders in the model
    card.
    """

    def __init__(self, network: JudgeNetwork) -> None:
        self._network = network.eval()

    @classmethod
    def load(cls, folder: Path) -> Judges:
        """Read the judges saved by `save`.

        Raises:
            ModelError: when they were trained for another vocabulary.
        """
        saved = json.loads((folder / "config.json").read_text())
        if saved != _vocabulary():
            raise ModelError(
                "the judges know another vocabulary than this version of the toybox",
                where=str(folder / "config.json"),
                why="object, colour or scene words were changed after the judges were trained",
                fix="train them again with `moongate pretrain`",
            )
        network = JudgeNetwork()
        network.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return cls(network)

    @torch.no_grad()
    def judge(self, pictures: Sequence[np.ndarray], batch_size: int = 128) -> list[Verdict]:
        """Return a verdict for each picture, (64, 64, 3) uint8."""
        verdicts = []
        for start in range(0, len(pictures), batch_size):
            batch = torch.from_numpy(np.stack(pictures[start : start + batch_size]))
            logits = self._network(batch.permute(0, 3, 1, 2).float().div(127.5).sub(1))
            words = {
                name: [ATTRIBUTES[name][i] for i in x.argmax(dim=1).tolist()] for name, x in logits.items()
            }
            verdicts += [
                Verdict(*row) for row in zip(words["object"], words["colour"], words["scene"], strict=True)
            ]
        return verdicts


def save_judges(network: JudgeNetwork, folder: Path) -> None:
    """Write the network in float16 with the vocabulary it was trained for."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.half().contiguous() for k, v in network.state_dict().items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps(_vocabulary(), indent=2) + "\n")


def _vocabulary() -> dict[str, list[str]]:
    return {name: list(words) for name, words in ATTRIBUTES.items()}
