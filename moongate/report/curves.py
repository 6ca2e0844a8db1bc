"""The two curves of training, drawn once as SVG that follows the page's colours and once as PNG."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from io import BytesIO, StringIO

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from moongate.report.evidence import TrainingRecord

SIZE_INCHES = (4.5, 2.8)
PNG_DPI = 160
SMOOTHING = 0.06
"""Weight of the newest step in the exponential mean that is drawn over the raw loss."""


@dataclass(frozen=True)
class Palette:
    """Hex colours of the drawing. In the SVG each one becomes the page variable of the same name."""

    ink: str = "#1c1f24"
    faint: str = "#6a7078"
    line: str = "#d9dbd7"
    tuned: str = "#0f766e"
    base: str = "#868c95"


PALETTE = Palette()


def training_curves(record: TrainingRecord | None) -> tuple[tuple[str, Figure], ...]:
    """Name and drawing of each curve that has points."""
    if record is None:
        return ()
    curves = [("loss", loss_curve(record))] if record.steps else []
    if record.validation:
        curves.append(("validation", validation_curve(record)))
    return tuple(curves)


def loss_curve(record: TrainingRecord) -> Figure:
    """Training loss per step: raw values faint, their exponential mean solid, instance and prior apart."""
    figure, axes = blank_axes("optimizer step", "loss (mean squared error)")
    steps = [row.step for row in record.steps]
    _draw_loss(axes, steps, [row.instance_loss for row in record.steps], PALETTE.tuned, "subject pictures")
    prior = [(row.step, row.prior_loss) for row in record.steps if row.prior_loss is not None]
    if prior:
        _draw_loss(
            axes, [step for step, _ in prior], [loss for _, loss in prior], PALETTE.base, "class pictures"
        )
    _legend(axes)
    return figure


def validation_curve(record: TrainingRecord) -> Figure:
    """Held-out loss at every validation with the step that was kept marked."""
    figure, axes = blank_axes("optimizer step", "held-out loss (mean squared error)")
    points = sorted(record.validation, key=lambda point: point.step)
    axes.plot(
        [point.step for point in points], [point.loss for point in points],
        color=PALETTE.tuned, linewidth=1.8, marker="o", markersize=3.5, label="held-out pictures",
    )  # fmt: skip
    axes.axvline(record.chosen_step, color=PALETTE.ink, linewidth=1, linestyle=(0, (3, 3)))
    for point in points:
        if point.step == record.chosen_step:
            axes.plot([point.step], [point.loss], "o", markersize=9, mfc="none", mec=PALETTE.ink, mew=1.6)
    on_the_right = record.chosen_step < 0.6 * max((point.step for point in points), default=1)
    axes.annotate(
        f"kept: step {record.chosen_step}", (record.chosen_step, 1), xycoords=("data", "axes fraction"),
        xytext=(6 if on_the_right else -6, -4), textcoords="offset points", va="top",
        ha="left" if on_the_right else "right", color=PALETTE.ink, fontsize=8.5,
    )  # fmt: skip
    return figure


def as_svg(figure: Figure, name: str) -> str:
    """`figure` as an inline `<svg>` without size or prologue, coloured by the page's CSS variables.

    `name` keeps its ids apart from those of other curves on the page. It is decorative for a screen reader
    (`aria-hidden`): the caller describes the curve in words.
    """
    buffer = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r"<svg [^>]*?viewBox=\"([^\"]+)\"[^>]*>", r'<svg viewBox="\1" aria-hidden="true">', svg, count=1
    )
    svg = re.sub(r"<g id=\"[^\"]*\"", "<g", svg).replace("xlink:href", "href")
    for colour in fields(Palette):
        svg = svg.replace(getattr(PALETTE, colour.name), f"var(--{colour.name})")
    return re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)


def as_png(figure: Figure) -> bytes:
    """`figure` as PNG on white, for use outside the page."""
    buffer = BytesIO()
    figure.set_facecolor("white")
    FigureCanvasAgg(figure).print_figure(buffer, dpi=PNG_DPI, format="png", metadata={"Software": None})
    return buffer.getvalue()


def exponential_mean(values: Sequence[float], weight: float) -> list[float]:
    """Bias-corrected exponential moving mean (Kingma and Ba 2015, algorithm 1: m_t / (1 - beta^t))."""
    mean, correction, smoothed = 0.0, 0.0, []
    for value in values:
        mean += weight * (value - mean)
        correction += weight * (1.0 - correction)
        smoothed.append(mean / correction)
    return smoothed


def _draw_loss(axes: Axes, steps: Sequence[int], losses: Sequence[float], colour: str, label: str) -> None:
    axes.plot(steps, losses, color=colour, linewidth=0.7, alpha=0.28)
    axes.plot(steps, exponential_mean(losses, SMOOTHING), color=colour, linewidth=1.8, label=label)


def blank_axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """An empty drawing in the page's style, transparent, with its axes named."""
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    figure.set_facecolor("none")
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    axes.set_xlabel(x_label, color=PALETTE.faint, fontsize=8.5)
    axes.set_ylabel(y_label, color=PALETTE.faint, fontsize=8.5)
    axes.tick_params(colors=PALETTE.faint, labelsize=8, length=0)
    axes.grid(axis="y", color=PALETTE.line, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(PALETTE.line)
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=8.5, labelcolor=PALETTE.ink, loc="upper right", handlelength=1.4)
