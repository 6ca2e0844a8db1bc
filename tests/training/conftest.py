"""A small real objective: linear regression with noise that depends on (step, slot) alone."""

from collections.abc import Collection, Mapping, Sequence

import pytest
import torch
from torch import nn

from moongate.diffusion.noise import gaussian_batch
from moongate.training.objective import Losses, Objective, ValidatedObjective
from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator

TRUTH = torch.tensor([1.0, -2.0, 0.5])


class Regression(ValidatedObjective):
    """Recover TRUTH from noisy dot products.

    Args:
        batch_size: slots of a step.
        poisoned: (step, slot) pairs whose loss is infinite.
        room: slots that fit the memory at once; with more the allocator is really asked for too much.
    """

    def __init__(
        self, batch_size: int = 8, poisoned: Collection[tuple[int, int]] = (), room: int | None = None
    ) -> None:
        super().__init__()
        self.line = nn.Linear(3, 1, bias=False)
        nn.init.zeros_(self.line.weight)
        self.batch_size = batch_size
        self.poisoned = poisoned
        self.room = room

    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"line": self.line}

    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        drawn = gaussian_batch((4,), 0, "regression", list(slots), step)
        wanted = drawn[:, :3] @ TRUTH + 0.1 * drawn[:, 3]
        squared_error = (self.line(drawn[:, :3]).squeeze(1) - wanted).square().mean()
        if any((step, slot) in self.poisoned for slot in slots):
            squared_error = squared_error * float("inf")
        if self.room is not None and len(slots) > self.room:
            torch.empty(2**60, dtype=torch.uint8)
        return Losses(squared_error, {"squared_error": squared_error})

    def validation_loss(self) -> float:
        return float((self.line.weight.squeeze(0) - TRUTH).square().sum())


@pytest.fixture
def trainer_of():
    def build(objective: Objective, precision: str = "float32", **settings) -> Trainer:
        options = OptimizerSettings(**{"steps": 20, "learning_rate": 0.05, "weight_decay": 0.0, **settings})
        return Trainer(objective, options, build_accelerator(torch.device("cpu"), precision))

    return build


@pytest.fixture
def regression() -> type[Regression]:
    return Regression


@pytest.fixture
def truth() -> torch.Tensor:
    return TRUTH
