"""Rows in words: one table for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.grids import Grid
from benchmarks.speed.rows import Row

_NONE = "–"
HEADERS = (
    "workload",
    "ours",
    "peer",
    "times as fast",
    "target",
    "peak memory",
    "UNet evaluations each",
    "of the limit",
)


def speed_grid(rows: Sequence[Row]) -> Grid:
    """Return one row for each thing compared; points of growth are left to their plots."""
    shown = [row for row in rows if row.against_value is None]
    return Grid(HEADERS, tuple(_cells(row) for row in shown))


def target_grid(rows: Sequence[Row]) -> Grid:
    """Return one row for each target: what was wanted, what was reached, and by how much it was missed."""
    wanted = [row for row in rows if row.target is not None]
    cells = tuple((title(row), _aim(row), _reached(row), outcome(row)) for row in wanted)
    return Grid(("what", "target", "measured", "outcome"), cells)


def title(row: Row) -> str:
    """Return a row's name: what was compared, and on which model where it is not the toybox."""
    model = "" if row.model == "toybox" else f" ({row.model})"
    return f"{row.workload}: {row.case}{model}"


def outcome(row: Row) -> str:
    """Return whether a target is met, and by how much it is missed."""
    missing = row.shortfall()
    if missing is None:
        return f"not measured: {row.note}" if row.note else "not measured"
    return "met" if missing == 0 else f"**missed by {_number(missing, row)}**"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        title(row),
        _side(row.ours_value, row.unit, row.ours),
        _side(row.peer_value, row.unit, row.peer) if row.peer else "",
        _ratio(row),
        "" if row.target is None else f"{_aim(row)}: {outcome(row)}",
        _pair(_mebibytes(row.ours_peak_bytes), _mebibytes(row.peer_peak_bytes)),
        _pair(_count(row.ours_unet_evals), _count(row.peer_unet_evals)),
        "" if row.share is None else f"{row.share:.0%}",
    )


def _side(value: float | None, unit: str, name: str) -> str:
    return f"{_NONE} ({name})" if value is None else f"{value:.3g} {unit} ({name})"


def _ratio(row: Row) -> str:
    if row.ratio is None or row.ratio_low is None or row.ratio_high is None:
        return ""
    return f"{row.ratio:.2f} [{row.ratio_low:.2f}, {row.ratio_high:.2f}]"


def _aim(row: Row) -> str:
    return "" if row.target is None else f"{row.bound} {_number(row.target, row)}"


def _reached(row: Row) -> str:
    return _NONE if row.reached is None else _number(row.reached, row)


def _number(value: float, row: Row) -> str:
    if row.aim == "ratio":
        return f"{value:.2f} x"
    if row.aim == "share" or row.unit.startswith("share"):
        return f"{value:.1%}"
    return f"{value:.2f}" if row.unit == "exponent" else f"{value:.2f} {row.unit}"


def _mebibytes(value: int | None) -> str:
    return "" if value is None else f"{value / 2**20:,.0f} MiB"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _pair(ours: str, peer: str) -> str:
    return f"{ours} / {peer}" if peer else ours
