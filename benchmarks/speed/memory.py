"""Measure the memory of training at Stable Diffusion 1.5's size, as usual and with settings for small GPUs.

python -m benchmarks.speed.memory    writes docs/figures/memory.parquet and the page
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.launching import (
    FIGURES_FOLDER,
    Output,
    Stopwatch,
    launch,
    provenance,
    results_screen,
    shown,
)
from benchmarks.speed import page
from benchmarks.speed.architectures import STABLE_DIFFUSION_15, write_random_model
from benchmarks.speed.bench import Bench
from benchmarks.speed.grid import speed_grid
from benchmarks.speed.models import stage_model
from benchmarks.speed.racing import Contender, Done, Portion
from benchmarks.speed.rows import Row, alone, write_rows
from benchmarks.speed.sizes import FULL
from moongate.config import BaseConfig
from moongate.models.devices import resolve_device
from moongate.models.source import BaseSource
from moongate.unet_layers import UNetLayers

if TYPE_CHECKING:
    from moongate.artifacts.latents import LatentSet
    from moongate.models.base import DiffusionModel

GIGABYTE = 10**9


@dataclass(frozen=True)
class Way:
    """One way to train.

    Attributes:
        name: its settings, in words.
        text_encoder: whether it is tuned, too.
        checkpointing: whether activations are computed twice.
        layers: of the UNet, that are tuned.
        gigabytes: what it is to stay below.
    """

    name: str
    text_encoder: bool
    checkpointing: bool
    layers: UNetLayers
    gigabytes: float


_WAYS = (
    Way("the preset stable_diffusion_15", False, False, "all", 24.0),
    Way("train.train_text_encoder", True, False, "all", 24.0),
    Way("train.gradient_checkpointing", False, True, "all", 24.0),
    Way("train.gradient_checkpointing, train.unet_layers=attention", False, True, "attention", 12.0),
)


def main(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")] = "auto",
    scratch: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the model is made, and kept.")
    ] = None,
    output: Output = FIGURES_FOLDER,
) -> None:
    """Measure the highest memory of a training step, in each way, and write figures and page.

    Example: python -m benchmarks.speed.memory --device cpu
    """
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary, shown() as progress:
        place = scratch or Path(temporary)
        base = write_random_model(STABLE_DIFFUSION_15, place / "sd15")
        bench = Bench(base, str(resolve_device(device)), FULL, place, progress)
        rows = tuple(measure(bench))
        how = provenance("python -m benchmarks.speed.memory", base, BaseConfig(device=device), watch.seconds)
    write_rows(output / f"{page.MEMORY}.parquet", rows, asdict(how))
    page.write(output)
    results_screen().print(speed_grid(rows).terminal("Memory"))


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
            laps = bench.race(f"{page.MEMORY}: {way.name}", (contender,), 1)[way.name]
        case = f"a DreamBooth step with prior, batch 1 + 1, {way.name}"
        row = alone(bench.subject(page.MEMORY), case, "s per step", 1.0, ("moongate, bfloat16", laps))
        yield row
        yield _held(row, case, way.gigabytes)


def _held(row: Row, case: str, target: float) -> Row:
    """Return the row of the memory that a timed row names, with what it is to stay below."""
    assert row.ours_peak_bytes is not None
    held = Row(
        workload=page.MEMORY,
        case=f"{case}: peak memory",
        model=row.model,
        device=row.device,
        ours=row.ours,
        unit="GB",
        ours_value=row.ours_peak_bytes / GIGABYTE,
    )
    return held.aimed("ours", "at most", target)


def lone_steps(base: BaseSource, device: str, scratch: Path, way: Way) -> Portion:
    """Return what makes one step by the product's trainer on latents of noise, which take the same memory."""
    from moongate.methods.conditioning import CachedText, TrainedText
    from moongate.methods.dreambooth import DreamBoothData, DreamBoothObjective
    from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator

    model = stage_model(base, device, "bfloat16")
    if way.checkpointing:
        model.unet.enable_gradient_checkpointing()
    subject = _noise(model, scratch / "subject", "a sks cup")
    objective = DreamBoothObjective(
        model,
        DreamBoothData(subject, _noise(model, scratch / "class", "a cup"), None),
        TrainedText(model) if way.text_encoder else CachedText(),
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


if __name__ == "__main__":
    launch(main)
