"""What a campaign looks like: both fidelities of every run against each other, numbered as in its table."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from moongate.campaign.labels import labels_of
from moongate.campaign.outcomes import Outcome
from moongate.campaign.placement import Box, placed
from moongate.campaign.selection import featured
from moongate.config import GateConfig
from moongate.report.curves import PALETTE, blank_axes

NAMED = 30
"""More names beside the plot, and numbers in it, would not be read."""
NAME_LENGTH = 46
NUMBER_SIZE = 7.5
DOT_RADIUS, RING_RADIUS = 3.5, 6.5
PLOT_WIDTH, LEAST_HEIGHT = 4.6, 3.2
INCHES_A_ROW, INCHES_A_LETTER = 0.17, 0.064
MARKER_BEATEN, MARKER_FRONT = "o", "D"


def fidelity_plot(
    outcomes: Sequence[Outcome], chosen: Outcome | None, gate: GateConfig, front: Sequence[Outcome] = ()
) -> Figure:
    """Subject fidelity across, prompt fidelity up, a numbered mark a run, and the names beside the plot.

    Thin lines are intervals. Runs of the Pareto front are diamonds on its steps, the others are dots, and
    `chosen` is ringed. The gate's marks are dotted; what is good lies up and to the right of both. Of more
    than NAMED runs those that say the most are named.
    """
    measured = [(place, one) for place, one in enumerate(outcomes) if one.fidelities is not None]
    shown = featured([one for _, one in measured], chosen, gate, front, NAMED)
    figure, axes = blank_axes("subject fidelity (of the way to real pictures)", "prompt fidelity kept")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.margins(0.1)
    axes.axvline(gate.min_fidelity, color=PALETTE.faint, linewidth=1, linestyle=":")
    axes.axhline(gate.min_prompt_fidelity, color=PALETTE.faint, linewidth=1, linestyle=":")
    _draw_intervals(axes, [measured[index][1] for index in shown])
    _draw_front(axes, front)
    _draw_marks(axes, outcomes, front, chosen)
    _name(figure, outcomes, [measured[index][0] for index in shown], {one.name for one in front}, chosen)
    _number(figure, axes, [(measured[index][0] + 1, measured[index][1]) for index in shown], chosen)
    return figure


def _draw_front(axes: Axes, front: Sequence[Outcome]) -> None:
    corners = [one.fidelities for one in front if one.fidelities is not None]
    across, up = [point[0] for point in corners], [point[1] for point in corners]
    axes.step(across, up, where="pre", color=PALETTE.tuned, linewidth=1.2, alpha=0.6)


def _draw_intervals(axes: Axes, runs: Sequence[Outcome]) -> None:
    for one in runs:
        if one.fidelities is None:
            continue
        across, up = one.fidelities
        style: dict[str, Any] = {"color": PALETTE.base, "linewidth": 0.8, "alpha": 0.45, "zorder": 1.5}
        if one.fidelity_low is not None and one.fidelity_high is not None:
            axes.plot([one.fidelity_low, one.fidelity_high], [up, up], **style)
        if one.prompt_fidelity_low is not None and one.prompt_fidelity_high is not None:
            axes.plot([across, across], [one.prompt_fidelity_low, one.prompt_fidelity_high], **style)


def _draw_marks(
    axes: Axes, outcomes: Sequence[Outcome], front: Sequence[Outcome], chosen: Outcome | None
) -> None:
    best = {one.name for one in front}
    beaten = [one for one in outcomes if one.name not in best]
    for runs, marker, colour in (
        (beaten, MARKER_BEATEN, PALETTE.base),
        (front, MARKER_FRONT, PALETTE.tuned),
    ):
        points = [one.fidelities for one in runs if one.fidelities is not None]
        across, up = [point[0] for point in points], [point[1] for point in points]
        axes.plot(
            across, up, marker, markersize=5, color=colour, markeredgecolor="white", markeredgewidth=0.5
        )
    for one in outcomes:
        if chosen is not None and one.name == chosen.name and one.fidelities is not None:
            axes.plot(*one.fidelities, "o", markersize=12, mfc="none", mec=PALETTE.ink, mew=1.4)


def _name(
    figure: Figure, outcomes: Sequence[Outcome], shown: Sequence[int], front: set[str], chosen: Outcome | None
) -> None:
    """Write the names beside the plot, each with its number and the mark that it has there."""
    labels = labels_of(outcomes)
    names = [f"{place + 1}   {_cut(labels.name(place))}" for place in shown]
    marks: list[Any] = [_legend_mark(outcomes[place], front, chosen) for place in shown]
    total = len(outcomes)
    title = f"{len(shown)} of {total} runs" if len(shown) < total else None
    longest = max((len(name) for name in names), default=0)
    height = max(LEAST_HEIGHT, (len(names) + 2) * INCHES_A_ROW)
    figure.set_size_inches(PLOT_WIDTH + 0.4 + longest * INCHES_A_LETTER, height)
    if names:
        legend = figure.legend(
            marks, names, loc="outside right upper", frameon=False, fontsize=NUMBER_SIZE, title=title,
            labelcolor=PALETTE.ink, handlelength=1.6, labelspacing=0.5, title_fontsize=NUMBER_SIZE,
        )  # fmt: skip
        legend.get_title().set_color(PALETTE.faint)


def _legend_mark(one: Outcome, front: set[str], chosen: Outcome | None) -> Line2D | tuple[Line2D, Line2D]:
    is_best = one.name in front
    mark = Line2D(
        [], [], linestyle="", marker=MARKER_FRONT if is_best else MARKER_BEATEN, markersize=4.5,
        color=PALETTE.tuned if is_best else PALETTE.base,
    )  # fmt: skip
    if chosen is None or one.name != chosen.name:
        return mark
    ring = Line2D([], [], linestyle="", marker="o", markersize=9, mfc="none", mec=PALETTE.ink, mew=1.2)
    return mark, ring


def _number(figure: Figure, axes: Axes, runs: Sequence[tuple[int, Outcome]], chosen: Outcome | None) -> None:
    """Write each number beside its mark; a line leads to one that stands farther off."""
    figure.draw_without_rendering()  # Only then it is known where in the picture a mark is.
    points_a_pixel = 72 / figure.dpi
    dots = [axes.transData.transform(one.fidelities) * points_a_pixel for _, one in runs if one.fidelities]
    sizes = [(NUMBER_SIZE * 0.62 * len(str(number)) + 1, NUMBER_SIZE) for number, _ in runs]
    frame = axes.get_window_extent()
    room = Box(
        (frame.x0 + frame.x1) / 2 * points_a_pixel, (frame.y0 + frame.y1) / 2 * points_a_pixel,
        frame.width / 2 * points_a_pixel, frame.height / 2 * points_a_pixel,
    )  # fmt: skip
    radii = [RING_RADIUS if chosen is not None and one.name == chosen.name else DOT_RADIUS for _, one in runs]
    centres = placed([(float(x), float(y)) for x, y in dots], sizes, radii, room)
    for (number, one), dot, centre in zip(runs, dots, centres, strict=True):
        across, up = centre[0] - float(dot[0]), centre[1] - float(dot[1])
        is_far = abs(across) + abs(up) > 4.5 * DOT_RADIUS
        lead = {"arrowstyle": "-", "color": PALETTE.faint, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            str(number), one.fidelities or (0, 0), xytext=(across, up), textcoords="offset points",
            ha="center", va="center", fontsize=NUMBER_SIZE, color=PALETTE.ink,
            arrowprops=lead if is_far else None,
        ).set_in_layout(False)  # fmt: skip


def _cut(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
