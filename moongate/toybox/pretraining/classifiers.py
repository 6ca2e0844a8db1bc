"""Training of the judges, on renders only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from moongate.diffusion.noise import keyed_generator
from moongate.toybox.judges import ATTRIBUTES, JudgeNetwork
from moongate.toybox.pretraining.renders import RenderedSet, batch_rows
from moongate.training.objective import Losses, Objective

MAX_NOISE = 0.15


class JudgeObjective(Objective):
    """Cross-entropy of object, colour and scene.

    Pictures are blurred and noised at random, so that the judges look at shape and colour, not at the crisp
    edges that only a renderer draws: they will judge decoded samples.
    """

    def __init__(self, network: JudgeNetwork, pictures: RenderedSet, batch_size: int, seed: int) -> None:
        super().__init__()
        self.network = network
        self.batch_size = batch_size
        self._pictures = pictures
        self._labels = pictures.labels()
        self._seed = seed

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"judges": self.network}

    @override
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        rows = batch_rows(self._seed, step, slots, self.batch_size, len(self._pictures))
        images = torch.stack(
            [self._degrade(x, step, slot) for x, slot in zip(self._pictures.pixels(rows), slots, strict=True)]
        )
        device = next(self.network.parameters()).device
        logits = self.network(images.to(device))
        labels = self._labels[rows].to(device)
        parts = {
            name: functional.cross_entropy(logits[name].float(), labels[:, column])
            for column, name in enumerate(ATTRIBUTES)
        }
        return Losses(torch.stack(list(parts.values())).sum(), parts)

    def _degrade(self, image: Tensor, step: int, slot: int) -> Tensor:
        generator = keyed_generator(self._seed, "degrade", slot, step)
        weight, noise = torch.rand(2, generator=generator).tolist()
        blurred = functional.avg_pool2d(image[None], 3, stride=1, padding=1, count_include_pad=False)[0]
        return torch.lerp(image, blurred, weight) + noise * MAX_NOISE * torch.randn(
            image.shape, generator=generator
        )


@torch.no_grad()
def judge_accuracy(network: JudgeNetwork, pictures: RenderedSet, batch_size: int = 250) -> dict[str, float]:
    """Return the share of pictures judged right, per attribute."""
    labels = pictures.labels()
    right = dict.fromkeys(ATTRIBUTES, 0)
    for start in range(0, len(pictures), batch_size):
        rows = range(start, min(start + batch_size, len(pictures)))
        logits = network(pictures.pixels(rows))
        for column, name in enumerate(ATTRIBUTES):
            right[name] += int((logits[name].argmax(dim=1) == labels[rows.start : rows.stop, column]).sum())
    return {name: count / len(pictures) for name, count in right.items()}
