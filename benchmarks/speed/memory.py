"""Memory of training at the size of Stable Diffusion 1.5, the usual way and with settings for small GPUs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.speed.bench import Bench
from benchmarks.speed.racing import Contender, Done, Portion
from benchmarks.speed.rows import Row, alone
from moongate.models.source import BaseSource
from moongate.unet_layers import UNetLayers

if TYPE_CHECKING:
    from moongate.artifacts.latents import LatentSet
    from moongate.models.base import DiffusionModel

NAME = "memory"
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Way:
    """One way to train.

    Attributes:
        name: its settings, in words.
        checkpointing: whether activations are computed twice.
        layers: of the UNet, that are tuned.
        gibibytes: what it is to stay below.
    """

    name: str
    checkpointing: bool
    layers: UNetLayers
    gibibytes: float


_WAYS = (
    Way("all layers of the UNet", False, "all", 24.0),
    Way("all layers, train.gradient_checkpointing", True, "all", 24.0),
    Way("train.unet_layers=attention, train.gradient_checkpointing", True, "attention", 12.0),
)


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the highest memory of a step with prior preservation, one picture of each kind, in bfloat16.

    It is that of the second step, when the optimizer has its moments.
    """
    for way in _WAYS:
        with tempfile.TemporaryDirectory(dir=bench.scratch) as scratch:
            arguments = {
                "base": bench.base,
                "device": bench.device,
                "scratch": Path(scratch),
                "way": way,
            }
            contender = Contender(way.name, lone_steps, arguments, bench.device)
            laps = bench.race(f"{NAME}: {way.name}", (contender,), 1)[way.name]
        case = f"a DreamBooth step with prior, batch 1 + 1, {way.name}"
        row = alone(bench.subject(NAME), case, "s per step", 1.0, ("moongate, bfloat16", laps))
        yield row
        yield _held(row, case, way.gibibytes)


def _held(row: Row, case: str, target: float) -> Row:
    """Return the row of the memory that a timed row names, with what it is to stay below."""
    assert row.ours_peak_bytes is not None
    held = Row(
        workload=NAME,
        case=f"{case}: peak memory",
        model=row.model,
        device=row.device,
        ours=row.ours,
        unit="GiB",
        ours_value=row.ours_peak_bytes / GIBIBYTE,
    )
    return held.aimed("ours", "at most", target)


def lone_steps(base: BaseSource, device: str, scratch: Path, way: Way) -> Portion:
    """Return what makes one step by the product's trainer on latents of noise, which take the same memory."""
    from moongate.methods.conditioning import CachedText
    from moongate.methods.dreambooth import DreamBoothData, DreamBoothObjective
    from moongate.models.base import load_model
    from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator

    model = load_model(base, device, "bfloat16")
    if way.checkpointing:
        model.unet.enable_gradient_checkpointing()
    subject = _noise(model, scratch / "subject", "a sks cup")
    objective = DreamBoothObjective(
        model,
        DreamBoothData(subject, _noise(model, scratch / "class", "a cup"), None),
        CachedText(),
        batch_size=1,
        prior_weight=1.0,
        validation_draws=1,
        seed=0,
        unet_layers=way.layers,
    )
    settings = OptimizerSettings(steps=10**6, learning_rate=1e-6)
    trainer = Trainer(objective, settings, build_accelerator(model.device, "bfloat16"))

    def portion() -> Done:
        trainer.advance()
        return Done(1, unet_evals=2)

    return portion


def _noise(model: DiffusionModel, folder: Path, prompt: str) -> LatentSet:
    """Return the latents of one picture, which are noise, under a prompt."""
    import torch

    from moongate.artifacts.latents import LatentSet, LatentWriter, write_prompts
    from moongate.diffusion.noise import gaussian
    from moongate.models.text import encode_prompts

    folder.mkdir()
    write_prompts(folder, [prompt], encode_prompts(model, [prompt]))
    writer = LatentWriter(folder, 1, [prompt])
    mean = gaussian(model.latent_shape, seed=0, purpose=prompt, item=0)
    writer.add(prompt, "0" * 64, prompt, mean, torch.full_like(mean, 0.01))
    writer.finish({})
    return LatentSet(folder)
