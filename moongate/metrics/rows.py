"""What a measurement looks like in a table: a value that may be absent, with the reason beside it.

A metric's id is `<family>.<variant>`, and ends in the extractor's id where features were used:
`subject_fidelity.identity.<extractor>`. So two numbers under one id were always measured alike.
"""

import math
from dataclasses import dataclass
from typing import Literal, Self

from moongate.errors import NumericsError

Status = Literal["ok", "inf", "missing", "too_few", "not_finite", "too_long", "lost"]
ModelRole = Literal["real", "base", "tuned"]
Direction = Literal["higher", "lower"]
Unit = Literal["prompt", "image"]
IntervalKind = Literal["bootstrap", "cluster_bootstrap", "student_t", "jackknife", "none"]


@dataclass(frozen=True)
class Measurement:
    """One number, or the reason why there is none.

    status: `ok`, `inf` (the value is infinite, as PSNR between identical images), `missing` (the input was
    not there), `too_few` (the input was there, but too small for the estimate to mean anything),
    or the fault of an item that was skipped, as in `moongate.bad_items`.
    """

    value: float | None
    status: Status

    def __post_init__(self) -> None:
        _check_value(self.value, self.status, where="Measurement")

    @classmethod
    def of(cls, value: float) -> Self:
        """A measured number; +inf becomes an absent value with status `inf`. NumericsError on NaN or -inf."""
        return cls(None, "inf") if value == math.inf else cls(float(value), "ok")

    @classmethod
    def missing(cls) -> Self:
        """No input to measure."""
        return cls(None, "missing")

    @classmethod
    def too_few(cls) -> Self:
        """Too little input to measure."""
        return cls(None, "too_few")


@dataclass(frozen=True)
class MetricRow:
    """One picture's value of one metric.

    item_id: a sample's id, or an image's id for real pictures and inversions.
    prompt_id, seed: of a sample; None for a real picture. reason: why a skipped item has no value.
    """

    metric: str
    model: ModelRole
    item_id: str
    value: float | None
    status: Status
    prompt_id: str | None = None
    seed: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        _check_value(self.value, self.status, where=f"metric {self.metric} of {self.item_id}")


@dataclass(frozen=True)
class SummaryRow:
    """One metric of one model over all its pictures.

    low, high: the confidence interval; both None where no interval can be formed (fewer than two units).
    n: number of pictures behind the value. num_units: number of `unit`s (prompt, image) that were resampled.
    interval: how low and high were found: `bootstrap`, `cluster_bootstrap`, `student_t` of few units,
    `jackknife` or `none`.
    lost: pictures that should be behind the value and were skipped, because they could not be computed.
    """

    metric: str
    model: ModelRole
    value: float | None
    low: float | None
    high: float | None
    n: int
    status: Status
    direction: Direction
    unit: Unit
    num_units: int
    interval: IntervalKind
    lost: int = 0

    @property
    def lost_share(self) -> float:
        """The lost pictures' share of those that should be behind the value."""
        return self.lost / (self.n + self.lost) if self.lost else 0.0

    def __post_init__(self) -> None:
        _check_value(self.value, self.status, where=f"summary of {self.metric} for {self.model}")


def _check_value(value: float | None, status: Status, *, where: str) -> None:
    if status == "ok" and (value is None or not math.isfinite(value)):
        raise NumericsError(
            f"a metric came out as {value}",
            where=where,
            why="a value with status 'ok' is a finite number; anything else spoils every mean",
            fix="look at the pictures behind it: an all-zero or non-finite feature is the usual cause",
        )
    if status != "ok" and value is not None:
        raise NumericsError(
            f"a metric has the value {value} and the status '{status}'",
            where=where,
            why="only status 'ok' carries a value",
            fix="build it with Measurement.of, .missing or .too_few",
        )
