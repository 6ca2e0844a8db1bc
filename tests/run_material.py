"""A small run as the stages leave it: real artifacts in a real store, with numbers known to the tests."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel

from moongate.artifacts.images import Picture, png_from_pixels, write_images
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef, ImageSetRef, InversionsRef, MetricsRef, Ref, SampleSetRef
from moongate.artifacts.schemas import INPUTS, INVERSIONS, METRICS, SAMPLES, SUMMARY, TRAIN_STEPS, VALIDATION
from moongate.artifacts.store import Store
from moongate.artifacts.tables import image_cell, write_table
from moongate.config import RunConfig
from moongate.metrics.rows import MetricRow, SummaryRow
from moongate.models.source import BaseSource
from moongate.runs import RunRecord, StageEntry
from moongate.stages.record import RecordInputs

R = TypeVar("R", bound=Ref)
RUN_ID = "r20260102-030405-bolt_duck-beef"
HOSTILE = '<script>alert("x")</script> & a duck](javascript:alert(1)) <a href="javascript:alert(2)">'
EXTRACTOR = "tiny-encoder.cls"
SEEDS = (0, 1)
PROMPTS = (
    ("p01", "a {subject} in the snow", "recontextualization"),
    ("p02", "a {subject} with a red hat", "accessory"),
    ("p03", "a red {subject}", "property"),
)
FIGURES = {
    "subject_fidelity.identity": {"real": 0.9, "base": 0.4, "tuned": 0.8},
    "prompt_fidelity.clip_class_noun": {"base": 0.3, "tuned": 0.285},
    "class_resemblance.identity": {"base": 0.4, "tuned": 0.45},
    "class_kid.cubic_clip_cosine": {"base": 0.0001, "tuned": 0.0123},
    "judge_object": {"base": 0.97, "tuned": 0.91},
    "inversion_gap_db.fixed_point": {"base": 0.04, "tuned": 0.07},
}
HALF_WIDTH = 0.01


class _Name(BaseModel):
    name: str


def png(seed: int, side: int = 16) -> bytes:
    """A noise picture, (side, side, 3)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return png_from_pixels(generator.integers(0, 256, size=(side, side, 3), dtype=np.uint8))


def publish(store: Store, stage: str, name: str, ref_type: type[R], build: Callable[[Path], None]) -> R:
    """Put one artifact into the store and return its reference."""
    return store.obtain(Recipe(stage, 1, _Name(name=name), (), ref_type), build).ref


def run_inputs(store: Store, base: BaseSource) -> RecordInputs:
    """Every artifact of a run of the default configuration on `base`."""
    return RecordInputs(
        run=run_record(),
        base=base,
        instance=pictures(store, "train", HOSTILE),
        holdout=pictures(store, "holdout", "a duck on a beach"),
        adapter=adapter(store, base),
        inversions=(inversions(store, "base"), inversions(store, "tuned")),
        samples=(
            samples(store, "base"),
            samples(store, "tuned"),
            samples(store, "tuned", "inversion:eval-0"),
            class_samples(store, "base"),
            class_samples(store, "tuned"),
        ),
        metrics=metrics(store),
    )


def run_record() -> RunRecord:
    """A finished run of two stage instances, one of them cached."""
    return RunRecord(
        run_id=RUN_ID,
        started_utc="2026-01-02T03:04:05.000+00:00",
        ended_utc="2026-01-02T03:06:05.000+00:00",
        config=RunConfig(),
        stages=(_entry("train", "", False, 1234), _entry("sample", "base", True, 0)),
    )


def pictures(store: Store, name: str, text: str) -> ImageSetRef:
    """Two pictures with one caption, and the verdicts on their files."""

    def build(folder: Path) -> None:
        made = [
            Picture(f"{name}-{i}", f"{name}-{i}.png", text, "0" * 64, "{}", png(name_seed(name) + i))
            for i in range(2)
        ]
        write_images(folder, made)
        row = {field.name: None for field in INPUTS.schema}
        verdicts = [
            row
            | {"file_name": one.file_name, "verdict": "accepted"}
            | {"reason": "", "hint": "", "notes": "", "treatments": ""}
            for one in made
        ]
        write_table(folder / "inputs.parquet", verdicts, INPUTS)

    return publish(store, "ingest", name, ImageSetRef, build)


def adapter(store: Store, base: BaseSource) -> AdapterRef:
    """An adapter that changes one tensor of the UNet, with three steps and two validations."""

    def build(folder: Path) -> None:
        # Imported late: tests that only read numbers should not wait for torch.
        import torch
        from safetensors.torch import load_file

        from moongate.models.adapters import AdapterCard, save_adapter

        weights = load_file(base.folder / "unet" / "diffusion_pytorch_model.safetensors")
        changed = {"conv_in.bias": torch.full_like(weights["conv_in.bias"], 0.5)}
        reason = "held-out loss 0.20000 after step 2 is the lowest of 2 validations"
        card = AdapterCard("dreambooth", "sks", "duck", base.digest(), 2, reason)
        save_adapter(folder, changed, None, card)
        steps = [
            {"step": i, "loss": 0.5 / i, "instance_loss": 0.4 / i, "prior_loss": 0.1 / i}
            | {"grad_norm": 1.0, "learning_rate": 1e-4, "seconds": 0.1}
            | {"status": "ok", "fault": "", "micro_batch": 4}
            for i in (1, 2, 3)
        ]
        write_table(folder / "train_steps.parquet", steps, TRAIN_STEPS)
        losses = [{"step": i, "validation_loss": 0.4 / i, "chosen": i == 2} for i in (1, 2)]
        write_table(folder / "validation.parquet", losses, VALIDATION)

    return publish(store, "train", "adapter", AdapterRef, build)


def samples(
    store: Store, model: str, source: str = "noise", lost: frozenset[tuple[str, int]] = frozenset()
) -> SampleSetRef:
    """Three prompts of three kinds, two seeds each; `lost` names those that could not be drawn."""
    subject = "sks duck" if model == "tuned" else "duck"
    rows = [
        _sample_row(model, source, prompt_id, template.format(subject=subject), kind, seed)
        for prompt_id, template, kind in PROMPTS
        for seed in SEEDS
    ]
    for row in rows:
        if (row["prompt_id"], row["seed"]) in lost:
            row |= {"status": "not_finite", "reason": "not finite", "image": None}
    return _sample_set(store, f"{model}-{source}-{len(lost)}", rows)


def class_samples(store: Store, model: str) -> SampleSetRef:
    """Four plain class pictures."""
    rows = [_sample_row(model, "noise", "class", "a duck", "class", seed) for seed in range(4)]
    return _sample_set(store, f"{model}-class", rows)


def inversions(store: Store, model: str) -> InversionsRef:
    """One evaluation picture by two methods; the refined reconstruction is identical to the original."""

    def build(folder: Path) -> None:
        rows = [
            {"image_id": "eval-0", "file_name": "eval-0.png", "text": "a cup", "method": method}
            | {"model": model, "steps": 2, "psnr_db": psnr, "ssim": 0.9, "floor_psnr_db": 31.25}
            | {"floor_ssim": 0.95, "status": status, "residual": None, "iterations": None}
            | {"reason": "", "fell_back": False, "unet_evals": 2}
            | {name: image_cell(png(i), f"{name}.png") for i, name in enumerate(PICTURE_COLUMNS)}
            for method, psnr, status in (("plain", 29.5, "ok"), ("fixed_point", None, "identical"))
        ]
        write_table(folder / "inversions.parquet", rows, INVERSIONS)

    return publish(store, "invert", model, InversionsRef, build)


PICTURE_COLUMNS = ("original", "floor", "reconstruction")


def metrics(store: Store) -> MetricsRef:
    """The figures of FIGURES with intervals of one width, and a score for every tuned picture."""

    def build(folder: Path) -> None:
        rows = [
            MetricRow(
                f"subject_fidelity.identity.{EXTRACTOR}",
                "tuned",
                f"{prompt_id}-{seed}",
                0.75,
                "ok",
                prompt_id,
                seed,
            )
            for prompt_id, _, _ in PROMPTS
            for seed in SEEDS
        ]
        write_table(folder / "metrics.parquet", [asdict(row) for row in rows], METRICS)
        write_table(folder / "summary.parquet", [asdict(row) for row in summary_rows()], SUMMARY)

    return publish(store, "evaluate", "metrics", MetricsRef, build)


def summary_rows() -> Iterator[SummaryRow]:
    """FIGURES as summary rows."""
    for metric, values in FIGURES.items():
        for model, value in values.items():
            yield summary_row(metric, model, value)


def summary_row(metric: str, model: str, value: float | None) -> SummaryRow:
    """One summary row; None is a missing value."""
    lower = metric.startswith(("class_", "inversion_gap"))
    return SummaryRow(
        metric=f"{metric}.{EXTRACTOR}",
        model=model,
        value=value,
        low=None if value is None else value - HALF_WIDTH,
        high=None if value is None else value + HALF_WIDTH,
        n=6,
        status="missing" if value is None else "ok",
        direction="lower" if lower else "higher",
        unit="image",
        num_units=6,
        interval="bootstrap",
    )


def name_seed(name: str) -> int:
    """A seed from a name that is the same in every process."""
    return sum(name.encode())


def _sample_set(store: Store, name: str, rows: list[dict[str, object]]) -> SampleSetRef:
    def build(folder: Path) -> None:
        write_table(folder / "samples.parquet", rows, SAMPLES)

    return publish(store, "sample", name, SampleSetRef, build)


def _sample_row(
    model: str, source: str, prompt_id: str, prompt: str, kind: str, seed: int
) -> dict[str, object]:
    sample_id = f"{model}-{source}-{prompt_id}-{seed}"
    own = {
        "sample_id": sample_id,
        "model": model,
        "prompt_id": prompt_id,
        "prompt": prompt,
        "template": prompt,
    }
    how = {"kind": kind, "seed": seed, "source": source, "negative_prompt": "", "guidance": 3.0, "steps": 2}
    more = {
        "guidance_rescale": 0.0,
        "guidance_start": 0.0,
        "guidance_stop": 1.0,
        "sampler": "ddim",
        "eta": 0.0,
    }
    picture = {"status": "ok", "reason": "", "image": image_cell(png(name_seed(sample_id)), f"{seed}.png")}
    return {field.name: None for field in SAMPLES.schema} | own | how | more | picture


def _entry(stage: str, role: str, cached: bool, unet_evals: int) -> StageEntry:
    return StageEntry(
        stage=stage,
        role=role,
        attempt=1,
        kind="artifact",
        digest=f"{name_seed(stage):064x}",
        cached=cached,
        wall_s=61.0,
        items=3,
        unet_evals=unet_evals,
        device="cpu",
        peak_memory_bytes=3 * 2**28,
    )
