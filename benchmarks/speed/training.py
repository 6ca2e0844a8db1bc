"""Training steps: DreamBooth with prior preservation, same batch and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.speed.bench import Bench
from benchmarks.speed.meters import matrix_rate, unet_operations
from benchmarks.speed.models import stage_model
from benchmarks.speed.plain_training import plain_loop
from benchmarks.speed.racing import Contender, Done, Laps, Portion
from benchmarks.speed.rows import Row, compared
from benchmarks.speed.script import script_steps
from moongate.models.source import BaseSource

if TYPE_CHECKING:
    from moongate.methods.conditioning import Conditioning
    from moongate.models.base import DiffusionModel

NAME = "training"
PRECISIONS = ("float32", "bfloat16")
# A backward pass costs twice the forward pass: one product for the input's gradient, one for the weight's.
_PASSES = 3
LEARNING_RATE = 1e-6
DETERMINISTIC = "ours bfloat16, deterministic"
TEXT_TUNED = "ours bfloat16, text encoder tuned"
_GPU_SHARE, _GPU_GIGABYTES = 0.45, 24.0


def measure(bench: Bench) -> Iterator[Row]:
    """Yield our step against the plain loop, in both precisions; then against diffusers' script, if given."""
    size, material = bench.size, bench.material
    common: dict[str, Any] = {
        "base": bench.base,
        "device": bench.device,
        "batch": size.train_batch,
        "steps": size.train_steps,
    }
    latents = (material.folder(material.latents), material.folder(material.evaluation_latents))
    images = (material.folder(material.pictures), material.folder(material.evaluation))
    prompt = material.config.subject.instance_text("")
    contenders = [
        Contender(f"ours {p}", our_loop, common | {"precision": p, "latents": latents}, bench.device)
        for p in PRECISIONS
    ] + [
        Contender(
            f"plain {p}",
            plain_loop,
            common | {"precision": p, "images": images, "prompt": prompt},
            bench.device,
        )
        for p in PRECISIONS
    ]
    usual = next(one for one in contenders if one.name == "ours bfloat16")
    repeatable = replace(usual, name=DETERMINISTIC, build=our_deterministic_loop)
    text_tuned = replace(usual, name=TEXT_TUNED, build=our_text_tuning_loop)
    laps = bench.race(NAME, (*contenders, repeatable, text_tuned), size.rounds)
    yield from _rows(bench, laps)
    if bench.peer_script is not None:
        yield from script_steps(bench, bench.peer_script, laps)


def our_loop(
    base: BaseSource, device: str, batch: int, steps: int, precision: str, latents: tuple[Path, Path]
) -> Portion:
    """Return what makes `steps` steps with the product's trainer: cached latents, cached text."""
    from moongate.methods.conditioning import CachedText

    return _loop(base, device, batch, steps, precision, latents, lambda _: CachedText())


def our_text_tuning_loop(
    base: BaseSource, device: str, batch: int, steps: int, precision: str, latents: tuple[Path, Path]
) -> Portion:
    """Return what `our_loop` returns, with the text encoder tuned as it is by default."""
    from moongate.methods.conditioning import TrainedText

    return _loop(base, device, batch, steps, precision, latents, TrainedText)


def _loop(
    base: BaseSource,
    device: str,
    batch: int,
    steps: int,
    precision: str,
    latents: tuple[Path, Path],
    conditioning_of: Callable[[DiffusionModel], Conditioning],
) -> Portion:
    from moongate.artifacts.latents import LatentSet
    from moongate.methods.dreambooth import DreamBoothData, DreamBoothObjective
    from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator

    instance, prior = (LatentSet(folder) for folder in latents)
    model = stage_model(base, device, precision)
    objective = DreamBoothObjective(
        model,
        DreamBoothData(instance, prior, None),
        conditioning_of(model),
        batch_size=batch,
        prior_weight=1.0,
        validation_draws=1,
        seed=0,
    )
    settings = OptimizerSettings(steps=10**6, learning_rate=LEARNING_RATE)
    trainer = Trainer(objective, settings, build_accelerator(model.device, precision))

    def portion() -> Done:
        for _ in range(steps):
            trainer.advance()
        return Done(steps, unet_evals=steps * batch * 2)

    return portion


def our_deterministic_loop(**arguments: Any) -> Portion:
    """Return what `our_loop` returns, for kernels that give the same bits each time."""
    from moongate.models.kernels import deterministic_kernels

    with deterministic_kernels():
        portion = our_loop(**arguments)

    def repeatable() -> Done:
        with deterministic_kernels():
            return portion()

    return repeatable


def _rows(bench: Bench, laps: dict[str, Laps]) -> Iterator[Row]:
    subject = bench.subject(NAME)
    on_gpu = bench.device.startswith("cuda")
    step = f"DreamBooth step with prior, batch {bench.size.train_batch} + {bench.size.train_batch}"
    pairs = (
        ("each in the precision it has by default", "bfloat16", "float32", None if on_gpu else 1.5),
        ("both in float32", "float32", "float32", None),
        ("both in bfloat16", "bfloat16", "bfloat16", None),
    )
    # At equal precision the goal holds in each; on a GPU it is told by bfloat16.
    equal = {"float32": None if on_gpu else 1.25, "bfloat16": 2.5 if on_gpu else 1.25}
    for case, mine, theirs, goal in pairs:
        row = compared(
            subject,
            f"{step}, text encoder frozen, {case}",
            "ms per step",
            1000.0,
            (f"moongate, {mine}", laps[f"ours {mine}"]),
            (f"plain loop, {theirs}", laps[f"plain {theirs}"]),
        )
        wanted = goal if goal is not None else (equal[mine] if mine == theirs else None)
        row = row if wanted is None else row.aimed("ratio", "at least", wanted)
        row = _with_limit(bench, row, mine, laps[f"ours {mine}"].each)
        yield row
        if on_gpu and mine == theirs == "bfloat16":
            yield from _on_a_gpu(row)
    for what, setting, other in (
        ("base.deterministic", "base.deterministic", DETERMINISTIC),
        ("tuning the text encoder", "train.train_text_encoder", TEXT_TUNED),
    ):
        yield compared(
            subject,
            f"{step}: what {what} costs",
            "ms per step",
            1000.0,
            ("moongate, bfloat16", laps["ours bfloat16"]),
            (f"the same with {setting}", laps[other]),
        )


def _on_a_gpu(row: Row) -> Iterator[Row]:
    """Yield what else a step on a GPU is to reach: a share of its matrix rate, and to fit into its memory."""
    bare = replace(row, peer="", peer_value=None, ratio=None, ratio_low=None, ratio_high=None)
    yield replace(bare, case=f"{row.case}: share of the matrix rate").aimed("share", "at least", _GPU_SHARE)
    gigabytes = (row.ours_peak_bytes or 0) / 1e9
    held = replace(bare, case=f"{row.case}: memory", unit="GB", ours_value=gigabytes)
    yield held.aimed("ours", "at most", _GPU_GIGABYTES)


def _with_limit(bench: Bench, row: Row, precision: str, seconds: float) -> Row:
    """Return the row with the share of the machine's matrix rate that the step's products reach."""
    operations = unet_operations(bench.base, bench.device)
    samples = bench.size.train_batch * 2
    rate = matrix_rate(bench.device, precision)
    return replace(
        row,
        share=_PASSES * samples * operations / seconds / rate,
        limit=f"{rate / 1e9:.0f} GFLOP/s of a {precision} matrix product on this machine",
    )
