"""What a benchmark leaves: figures with their intervals and targets, and how they came about, in one file."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import read_provenance, write_table

Bound = Literal["at least", "at most", "surely above"]
Unit = Literal["dB", "share", "score", "error", "count", "s"]

WHOLE = "all"


def _schema() -> pa.Schema:
    text, real, count = pa.string(), pa.float64(), pa.int64()
    required = {"group": text, "metric": text, "label": text, "column": text, "unit": text, "status": text}
    optional = {"value": real, "low": real, "high": real, "target": real, "bound": text}
    return pa.schema(
        [
            *(pa.field(name, kind, nullable=False) for name, kind in required.items()),
            *(pa.field(name, kind) for name, kind in optional.items()),
            *(pa.field(name, count, nullable=False) for name in ("n", "num_units")),
        ]
    )


FIGURES = Table("figures", 1, "group x metric x column", _schema())


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        metric: its id.
        label: its name for people.
        column: which model or method it belongs to.
        value: in `unit`; None unless the status is ok.
        unit: dB, share (0..1), score, error (absolute), count or s (seconds).
        group: "all", or the subject or part that the number is about.
        low, high: its interval; None where none can be formed.
        n: measurements behind it.
        num_units: independent units behind it (subjects, pictures), which were resampled.
        status: ok, or why there is no value.
        target, bound: what it has to reach; None where nothing was promised.
    """

    metric: str
    label: str
    column: str
    value: float | None
    unit: Unit = "score"
    group: str = WHOLE
    low: float | None = None
    high: float | None = None
    n: int = 0
    num_units: int = 0
    status: str = "ok"
    target: float | None = None
    bound: Bound | None = None

    def aimed(self, bound: Bound, target: float) -> Self:
        """Return the figure with a target."""
        return replace(self, bound=bound, target=target)

    def shortfall(self) -> float | None:
        """Return by how much the target is missed, 0 when it is met; None without a target or a value.

        "surely above" asks more than a value on the right side: the whole interval has to lie there.
        """
        reached = self.low if self.bound == "surely above" else self.value
        if self.target is None or self.bound is None or reached is None:
            return None
        if self.bound == "surely above":
            return 0.0 if reached > self.target else self.target - reached
        sign = 1.0 if self.bound == "at least" else -1.0
        return max(0.0, sign * (self.target - reached))

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        if self.bound == "surely above" and self.target is not None and self.low is not None:
            return self.low > self.target
        missing = self.shortfall()
        return None if missing is None else missing == 0.0


@dataclass(frozen=True)
class Provenance:
    """How figures came about: command, machine and arithmetic. All are words for people."""

    command: str
    processor: str
    cores: str
    device: str
    precision: str
    torch: str
    python: str
    base: str
    measured_utc: str
    seconds: str

    @classmethod
    def of_now(cls, command: str, *, base: str, precision: str, device: str, seconds: float) -> Self:
        """Describe this machine and this moment.

        Args:
            command: how to measure the same again.
            base: name and digest of the base model.
            precision: arithmetic inside the UNet.
            device: "cpu", or the accelerator's device.
            seconds: how long it took, without what the store had already.
        """
        import torch

        name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
        return cls(
            command=command,
            processor=_processor(),
            cores=str(len(os.sched_getaffinity(0))),
            device=name,
            precision=precision,
            torch=torch.__version__,
            python=platform.python_version(),
            base=base,
            measured_utc=f"{datetime.now(UTC):%Y-%m-%d}",
            seconds=f"{seconds:.0f}",
        )


@dataclass(frozen=True)
class Record:
    """The figures of one benchmark."""

    figures: tuple[Figure, ...]
    provenance: Provenance

    def write(self, path: Path) -> None:
        """Write one Parquet file, the provenance in its footer."""
        write_table(path, [asdict(figure) for figure in self.figures], FIGURES, asdict(self.provenance))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        footer = read_provenance(path)
        how = Provenance(**{field.name: footer[field.name] for field in fields(Provenance)})
        return cls(tuple(Figure(**row) for row in pq.read_table(path).to_pylist()), how)


def targets(figures: Sequence[Figure]) -> tuple[Figure, ...]:
    """Return the figures that had something to reach."""
    return tuple(figure for figure in figures if figure.target is not None)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
