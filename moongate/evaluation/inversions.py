"""Inversion figures from `inversions.parquet`: PSNR and SSIM per method, beside the VAE's own round trip."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from moongate.artifacts.inverted import INVERSIONS_NAME, METHODS
from moongate.bad_items import FAULTS
from moongate.errors import InputError
from moongate.evaluation.scores import Metric, Scores
from moongate.metrics.rows import Measurement, MetricRow, ModelRole

FLOOR = "vae_floor"
_COLUMNS = (
    "image_id",
    "method",
    "model",
    "psnr_db",
    "ssim",
    "floor_psnr_db",
    "floor_ssim",
    "status",
    "reason",
)

Row = dict[str, Any]


def inversion_scores(folder: Path | None, role: ModelRole) -> list[Scores]:
    """Scores of every method: PSNR in dB, SSIM, and the PSNR lost against the VAE's floor in dB.

    PSNR is None with status `inf` where the reconstruction equals the original. Without a folder the scores
    have no rows. Raises InputError when another model inverted the pictures.
    """
    rows = _read(folder, role) if folder else []
    methods = {method: [row for row in rows if row["method"] == method] for method in METHODS}
    # Each method's row has the floor; one of a method that failed may lack it.
    with_floor_last = sorted(rows, key=lambda row: row["status"] not in FAULTS)
    floors = list({row["image_id"]: row for row in with_floor_last}.values())
    found = [
        _scores(Metric(f"inversion_psnr.{FLOOR}", "higher", "image"), role, floors, _floor_psnr),
        _scores(Metric(f"inversion_ssim.{FLOOR}", "higher", "image"), role, floors, _floor_ssim),
    ]
    for method, own in methods.items():
        found.append(_scores(Metric(f"inversion_psnr.{method}", "higher", "image"), role, own, _psnr))
        found.append(_scores(Metric(f"inversion_ssim.{method}", "higher", "image"), role, own, _ssim))
        found.append(_scores(Metric(f"inversion_gap_db.{method}", "lower", "image"), role, own, _gap))
    return found


def _read(folder: Path, role: ModelRole) -> list[Row]:
    path = folder / INVERSIONS_NAME
    rows: list[Row] = pq.read_table(path, columns=list(_COLUMNS)).to_pylist()
    models = sorted({row["model"] for row in rows})
    if models != [role]:
        raise InputError(
            f"these inversions are not the {role} model's",
            where=str(path),
            why=f"their rows were made by: {', '.join(models) or 'nobody, the table is empty'}",
            fix="pass each model's inversions under its own name",
        )
    return rows


def _scores(
    metric: Metric, role: ModelRole, rows: Sequence[Row], measure: Callable[[Row], Measurement]
) -> Scores:
    return Scores(metric, role, tuple(_metric_row(metric, role, row, measure) for row in rows))


def _metric_row(
    metric: Metric, role: ModelRole, row: Row, measure: Callable[[Row], Measurement]
) -> MetricRow:
    if row["status"] in FAULTS:
        reason = f"it was not inverted: {row['reason']}"
        return MetricRow(metric.name, role, row["image_id"], None, "lost", reason=reason)
    found = measure(row)
    return MetricRow(metric.name, role, row["image_id"], found.value, found.status)


def _psnr(row: Row) -> Measurement:
    return _decibels(row["psnr_db"])


def _floor_psnr(row: Row) -> Measurement:
    return _decibels(row["floor_psnr_db"])


def _ssim(row: Row) -> Measurement:
    return _similarity(row["ssim"], row["psnr_db"])


def _floor_ssim(row: Row) -> Measurement:
    return _similarity(row["floor_ssim"], row["floor_psnr_db"])


def _gap(row: Row) -> Measurement:
    if row["psnr_db"] is None or row["floor_psnr_db"] is None:
        return Measurement.missing()
    return Measurement.of(row["floor_psnr_db"] - row["psnr_db"])


def _decibels(value: float | None) -> Measurement:
    """PSNR is absent from the table only where two pictures are identical."""
    return Measurement(None, "inf") if value is None else Measurement.of(value)


def _similarity(value: float | None, psnr_db: float | None) -> Measurement:
    """SSIM; of identical pictures it is 1 by definition, written or not."""
    if value is None:
        return Measurement.of(1.0) if psnr_db is None else Measurement.too_few()
    return Measurement.of(value)
