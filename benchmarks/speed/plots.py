"""Plots of growth: time and peak memory against a number, on logarithmic axes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from benchmarks.speed.rows import Row

_SIZE_INCHES = (7.0, 2.6)
_PLAIN = FuncFormatter(lambda value, _: f"{value:,g}")
_HEADROOM = 1.08
_INK, _FAINT, _LINE = "#0f766e", "#6a7078", "#d9dbd7"


def draw_growth(rows: Sequence[Row], folder: Path) -> None:
    """Write `growth_<what>.svg` for everything that grows."""
    points = [row for row in rows if row.against is not None and row.against_value is not None]
    for against in dict.fromkeys(row.against or "" for row in points):
        own = [row for row in points if row.against == against]
        path = folder / f"growth_{against.replace(' ', '_')}.svg"
        path.write_text(_svg(_figure(own, against), against), encoding="utf-8")


def _figure(rows: Sequence[Row], against: str) -> Figure:
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    figure.set_facecolor("white")
    time, memory = figure.subplots(1, 2)
    numbers = [row.against_value or 0.0 for row in rows]
    _draw(time, numbers, [row.ours_value or 0.0 for row in rows], against, "seconds")
    _draw(memory, numbers, [(row.ours_peak_bytes or 0) / 2**20 for row in rows], against, "peak memory, MiB")
    # From nothing: a line that is flat shall look flat.
    memory.set_yscale("linear")
    memory.set_ylim(0, memory.get_ylim()[1] * _HEADROOM)
    memory.yaxis.set_major_formatter(_PLAIN)
    figure.suptitle(rows[0].case, fontsize=9, color=_FAINT)
    return figure


def _draw(axes: Axes, numbers: Sequence[float], values: Sequence[float], x_label: str, y_label: str) -> None:
    axes.loglog(numbers, values, color=_INK, linewidth=1.6, marker="o", markersize=4)
    axes.set_xlabel(x_label, color=_FAINT, fontsize=8.5)
    axes.set_ylabel(y_label, color=_FAINT, fontsize=8.5)
    axes.set_xticks(numbers, labels=[f"{number:,.0f}" for number in numbers], minor=False)
    axes.xaxis.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(_PLAIN)
    axes.yaxis.minorticks_off()
    axes.tick_params(colors=_FAINT, labelsize=8, length=0)
    axes.grid(color=_LINE, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _svg(figure: Figure, name: str) -> str:
    stream = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None, "Creator": None})
    return re.sub(r"[ \t]+$", "", stream.getvalue(), flags=re.MULTILINE)
