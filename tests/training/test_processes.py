"""Several processes take the steps that one would take."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.training.one_of_several import BATCH, STEPS


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def trained_by(count: int, folder: Path) -> list[dict[str, torch.Tensor]]:
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": str(count)}
    command = [sys.executable, "-m", "tests.training.one_of_several", str(folder)]
    running = [
        subprocess.Popen(command, env=os.environ | meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(count)
    ]
    assert [process.wait(timeout=120) for process in running] == [0] * count
    return [load_file(folder / f"{rank}.safetensors") for rank in range(count)]


def test_two_processes_share_a_batch_and_end_with_the_weights_and_losses_of_one(
    tmp_path: Path, trainer_of, regression
) -> None:
    settings = {"steps": STEPS, "max_grad_norm": 0.5, "gradient_accumulation": 2}
    alone = trainer_of(regression(batch_size=BATCH), **settings)
    losses = torch.tensor([alone.advance().loss for _ in range(STEPS)])
    both = trained_by(2, tmp_path)
    for one in both:
        torch.testing.assert_close(one["line.weight"], alone.weights()["line.weight"], rtol=0, atol=1e-6)
        torch.testing.assert_close(one["losses"], losses, rtol=1e-5, atol=1e-6)
    assert torch.equal(both[0]["line.weight"], both[1]["line.weight"])
