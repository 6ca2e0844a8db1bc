"""Evidence read back from the files of finished artifacts; no torch, no models."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from moongate.artifacts.images import read_images
from moongate.bad_items import FAULTS
from moongate.errors import MoongateError, StoreError
from moongate.metrics.rows import MetricRow, SummaryRow
from moongate.report.evidence import (
    InversionResult,
    Shot,
    SubjectPicture,
    TrainingRecord,
    TrainStep,
    ValidationPoint,
)

UNREADABLE = (MoongateError, OSError, pa.ArrowException, ValueError, KeyError)
"""What reading an artifact raises that was collected or damaged."""


def read_subject_pictures(folder: Path) -> tuple[SubjectPicture, ...]:
    """The pictures of an image set in `folder`."""
    return tuple(
        SubjectPicture(picture.file_name, picture.text, picture.png) for picture in read_images(folder)
    )


def read_shots(folders: Iterable[Path]) -> tuple[Shot, ...]:
    """Every picture of the sample sets in `folders` that was drawn."""
    columns = ("model", "prompt_id", "prompt", "kind", "seed", "source")
    return tuple(
        Shot(**{name: row[name] for name in columns}, png=row["image"]["bytes"])
        for folder in folders
        for row in _rows(folder / "samples.parquet", (*columns, "status", "image"))
        if row["status"] == "ok"
    )


def read_inversions(folders: Iterable[Path]) -> tuple[InversionResult, ...]:
    """Every row of the inversions in `folders` that has a result."""
    columns = ("model", "image_id", "method", "psnr_db", "floor_psnr_db")
    pictures = ("original", "floor", "reconstruction")
    return tuple(
        InversionResult(
            **{name: row[name] for name in columns}, **{name: row[name]["bytes"] for name in pictures}
        )
        for folder in folders
        for row in _rows(folder / "inversions.parquet", (*columns, "status", *pictures))
        if row["status"] not in FAULTS
    )


def read_training(folder: Path) -> TrainingRecord:
    """How the adapter in `folder` was trained and why its step was kept."""
    losses = ("step", "instance_loss", "prior_loss")
    rows = _rows(folder / "train_steps.parquet", (*losses, "status", "fault", "micro_batch"))
    made = [row for row in rows if row["status"] == "ok"]
    validation, chosen_step = read_validation(folder)
    facts = json.loads((folder / "adapter.json").read_text(encoding="utf-8"))
    return TrainingRecord(
        steps=tuple(TrainStep(**{name: row[name] for name in losses}) for row in made),
        validation=validation,
        chosen_step=chosen_step,
        reason=facts["reason"],
        incidents=tuple(_incidents(rows)),
    )


def read_validation(folder: Path) -> tuple[tuple[ValidationPoint, ...], int]:
    """The held-out losses of the adapter in `folder`, none without held-out pictures, and its step."""
    path = folder / "validation.parquet"
    rows = _rows(path, ("step", "validation_loss")) if path.exists() else []
    facts = json.loads((folder / "adapter.json").read_text(encoding="utf-8"))
    return tuple(ValidationPoint(row["step"], row["validation_loss"]) for row in rows), facts["step"]


def _incidents(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each step that was skipped, and for each at which the memory ran out."""
    for before, row in zip((None, *rows[:-1]), rows, strict=True):
        if row["status"] != "ok":
            yield f"Step {row['step']} was skipped, and moved no weight: {row['fault']}."
        if before and row["micro_batch"] < before["micro_batch"]:
            yield (
                f"The memory ran out at step {row['step']}: from there on {row['micro_batch']} pictures of a "
                f"step at a time instead of {before['micro_batch']}, with the same effective batch."
            )


def read_scores(folder: Path) -> tuple[SummaryRow, ...]:
    """The summary of the metrics in `folder`."""
    columns = tuple(field.name for field in fields(SummaryRow))
    return tuple(SummaryRow(**row) for row in _rows(folder / "summary.parquet", columns))


def read_picture_scores(folder: Path) -> tuple[MetricRow, ...]:
    """What the metrics in `folder` say of each picture."""
    columns = tuple(field.name for field in fields(MetricRow))
    return tuple(MetricRow(**row) for row in _rows(folder / "metrics.parquet", columns))


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    if not path.exists():
        raise StoreError(
            f"the report needs {path.name}, and the artifact does not hold it",
            where=str(path.parent),
            why="a stage of another version made the artifact",
            fix="run the stage again with this version",
        )
    absent = sorted(set(columns) - set(pq.read_schema(path).names))
    if absent:
        raise StoreError(
            f"{path.name} lacks columns that the report shows",
            where=str(path),
            why=f"missing: {', '.join(absent)}",
            fix="run the stage that wrote it again with this version",
        )
    return pq.read_table(path, columns=list(columns)).to_pylist()
