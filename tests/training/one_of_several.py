"""One process of several that train together; started with the environment that torchrun would give it."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator
from tests.training.conftest import Regression

STEPS, BATCH = 5, 8


def main(folder: Path) -> None:
    accelerator = build_accelerator(torch.device("cpu"), "float32")
    settings = OptimizerSettings(
        steps=STEPS, learning_rate=0.05, weight_decay=0.0, max_grad_norm=0.5, gradient_accumulation=2
    )
    trainer = Trainer(Regression(batch_size=BATCH), settings, accelerator)
    rows = [trainer.advance() for _ in range(STEPS)]
    losses = torch.tensor([row.loss for row in rows])
    save_file(trainer.weights() | {"losses": losses}, folder / f"{accelerator.process_index}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
