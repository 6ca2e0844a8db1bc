"""What the benchmark leaves: one row for each thing compared, in one Parquet file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.speed.racing import Laps
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import read_provenance, write_table

Bound = Literal["at least", "at most"]
# Which number of a row a target is about.
Aim = Literal["ratio", "ours", "share"]

_TEXT = ("workload", "case", "model", "device", "ours", "peer", "unit", "limit", "note")
_REAL = ("ours_value", "peer_value", "ratio", "ratio_low", "ratio_high", "share", "target", "against_value")
_COUNT = ("rounds", "ours_peak_bytes", "peer_peak_bytes", "ours_unet_evals", "peer_unet_evals")
_WORDS = ("bound", "aim", "against")
SPEED = Table(
    "speed",
    1,
    "workload x case x model x against_value",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in _TEXT),
            *(pa.field(name, pa.float64()) for name in _REAL),
            *(pa.field(name, pa.int64()) for name in _COUNT),
            *(pa.field(name, pa.string()) for name in _WORDS),
        ]
    ),
)


@dataclass(frozen=True)
class Row:
    """One thing compared.

    Attributes:
        workload: which of the benchmark's parts it belongs to.
        case: what is compared, in words; unique within workload, model and `against_value`.
        model: "toybox", or another architecture.
        device: where it ran.
        ours, peer: the two sides in words; `peer` is empty where there is none.
        unit: of both values, such as "ms per step".
        ours_value, peer_value: medians over the rounds.
        ratio: how many times faster ours is; `ratio_low` and `ratio_high` are the extremes of the rounds.
        rounds: laps of each side.
        ours_peak_bytes, peer_peak_bytes: highest memory.
        ours_unet_evals, peer_unet_evals: samples through the UNet for one item of work.
        share: of what the machine allows, 0..1; `limit` says what that is.
        target, bound, aim: what is to be reached, and by which of the numbers.
        against, against_value: what grows, and where this row stands; None elsewhere.
        note: what else has to be known: a tolerance, a caveat.
    """

    workload: str
    case: str
    model: str
    device: str
    ours: str
    unit: str
    ours_value: float | None
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    rounds: int = 1
    ours_peak_bytes: int | None = None
    peer_peak_bytes: int | None = None
    ours_unet_evals: int | None = None
    peer_unet_evals: int | None = None
    share: float | None = None
    limit: str = ""
    target: float | None = None
    bound: Bound | None = None
    aim: Aim | None = None
    against: str | None = None
    against_value: float | None = None
    note: str = ""

    def aimed(self, aim: Aim, bound: Bound, target: float) -> Self:
        """Return the row with something to reach."""
        return replace(self, aim=aim, bound=bound, target=target)

    @property
    def reached(self) -> float | None:
        """The number that the target is about."""
        return {"ratio": self.ratio, "ours": self.ours_value, "share": self.share}[self.aim or "ratio"]

    def shortfall(self) -> float | None:
        """Return by how much the target is missed, 0 when it is met; None without a target or a number."""
        if self.target is None or self.reached is None:
            return None
        sign = 1.0 if self.bound == "at least" else -1.0
        return max(0.0, sign * (self.target - self.reached))


@dataclass(frozen=True)
class Subject:
    """What the rows of one workload have in common."""

    workload: str
    model: str
    device: str


def compared(
    subject: Subject, case: str, unit: str, scale: float, ours: tuple[str, Laps], peer: tuple[str, Laps]
) -> Row:
    """Return the row of two contenders that took turns.

    Args:
        subject: workload, model and device.
        case: what was compared.
        unit: of the values.
        scale: units in one second: 1000 for milliseconds.
        ours: name and laps.
        peer: name and laps.
    """
    mine, (peer_name, theirs) = ours[1], peer
    ratios = [b.each / a.each for a, b in zip(mine.laps, theirs.laps, strict=True)]
    return replace(
        alone(subject, case, unit, scale, ours),
        peer=peer_name,
        peer_value=theirs.each * scale,
        ratio=theirs.each / mine.each,
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        peer_peak_bytes=theirs.peak_bytes,
        peer_unet_evals=_evals_each(theirs),
    )


def alone(subject: Subject, case: str, unit: str, scale: float, ours: tuple[str, Laps]) -> Row:
    """Return the row of a contender that has no peer; see `compared`."""
    name, laps = ours
    return Row(
        workload=subject.workload,
        case=case,
        model=subject.model,
        device=subject.device,
        ours=name,
        unit=unit,
        ours_value=laps.each * scale,
        rounds=len(laps.laps),
        ours_peak_bytes=laps.peak_bytes,
        ours_unet_evals=_evals_each(laps),
    )


def write_rows(path: Path, rows: Sequence[Row], provenance: Mapping[str, str]) -> None:
    """Write the file, how it came about in its footer."""
    write_table(path, [asdict(row) for row in rows], SPEED, provenance)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Return the rows of a file; none when it is absent, or was written by a version with other columns."""
    if not path.is_file():
        return ()
    content = pq.read_table(path)
    if content.schema.names != SPEED.schema.names:
        return ()
    return tuple(Row(**row) for row in content.to_pylist())


def read_how(path: Path) -> dict[str, str]:
    """Return how the rows of a file came about; nothing when it is absent."""
    return read_provenance(path) if path.is_file() else {}


def _evals_each(laps: Laps) -> int | None:
    """Return the evaluations for one item; None where the work has nothing to do with the UNet."""
    return laps.unet_evals // laps.laps[0].done.items or None
