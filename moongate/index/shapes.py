"""Geometry of the small drawings: numbers in, coordinates out. The template turns them into SVG."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from moongate.campaign.placement import Box, Point, placed
from moongate.report.evidence import ValidationPoint
from moongate.report.numbers import percent
from moongate.report.verdict import Finding

SPARK_WIDTH, SPARK_HEIGHT, SPARK_MARGIN = 104, 30, 4
BAR_WIDTH, BAR_MARGIN = 104, 4
PLOT_WIDTH, PLOT_HEIGHT = 340, 220
PLOT_LEFT, PLOT_TOP, PLOT_RIGHT, PLOT_BOTTOM = 58, 12, 14, 40
DIAMOND, DOT_RADIUS, RING_RADIUS = 6, 5.0, 9.0
DIGIT_WIDTH, DIGIT_HEIGHT = 7.0, 11.0


@dataclass(frozen=True)
class Spark:
    """A validation curve: its points as SVG wants them, and where the kept step is."""

    points: str
    kept_x: float | None
    kept_y: float | None


@dataclass(frozen=True)
class Bar:
    """A share with its interval between two bounds, in px: the band, the dot and the gate's mark."""

    band_x: float
    band_width: float
    dot_x: float
    mark_x: float


@dataclass(frozen=True)
class PlotPoint:
    """One run of a campaign: where it stands, its name, and whether no other beats it or it is the choice.

    Attributes:
        x: of the mark.
        y: of the mark.
        name: its number and its name.
        on_front: whether no other run beats it.
        is_chosen: whether it is the one to take.
        number: its number in the table, empty for one of too many to be numbered.
        number_x: of the middle of the number.
        number_y: of the middle of the number.
    """

    x: float
    y: float
    name: str
    on_front: bool
    is_chosen: bool
    number: str
    number_x: float
    number_y: float

    @property
    def diamond(self) -> str:
        """The path of the mark of a run on the front."""
        right_and_left = f"l{DIAMOND} {DIAMOND}l-{DIAMOND} {DIAMOND}l-{DIAMOND} -{DIAMOND}z"
        return f"M{self.x} {self.y - DIAMOND:.1f}{right_and_left}"


@dataclass(frozen=True)
class PlotTick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Plot:
    """Subject fidelity across, prompt fidelity up: the points, the front as a path, the gate's marks."""

    points: tuple[PlotPoint, ...]
    front: str
    mark_x: float | None
    mark_y: float | None
    ticks_x: tuple[PlotTick, ...]
    ticks_y: tuple[PlotTick, ...]


def spark(points: Sequence[ValidationPoint], kept_step: int) -> Spark | None:
    """Return the curve of `points`, which come by rising step; None for fewer than two."""
    if len(points) < 2:
        return None
    steps, losses = [point.step for point in points], [point.loss for point in points]
    places = [
        (
            _along(step, steps[0], steps[-1], SPARK_MARGIN, SPARK_WIDTH - SPARK_MARGIN),
            _along(loss, min(losses), max(losses), SPARK_HEIGHT - SPARK_MARGIN, SPARK_MARGIN),
        )
        for step, loss in zip(steps, losses, strict=True)
    ]
    kept = next((place for step, place in zip(steps, places, strict=True) if step == kept_step), None)
    return Spark(" ".join(f"{x},{y}" for x, y in places), *(kept or (None, None)))


def bar(finding: Finding) -> Bar:
    """Return the share of `finding` on the way from 0 to 1; what lies outside is drawn at the end."""
    low, dot, high, at_mark = (
        _along(min(max(value, 0.0), 1.0), 0.0, 1.0, BAR_MARGIN, BAR_WIDTH - BAR_MARGIN)
        for value in (finding.low, finding.share, finding.high, finding.mark.yes)
    )
    return Bar(low, round(max(high - low, 1.0), 1), dot, at_mark)


@dataclass(frozen=True)
class Scale:
    """A range of values on a stretch of pixels."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> "Scale":
        """Return a scale with whole tenths at both ends that holds all `values`."""
        low, high = min(values), max(values)
        return cls((low * 10 // 1) / 10, -(-high * 10 // 1) / 10 or 0.1, start, end)

    def at(self, value: float) -> float:
        """Return where `value` stands."""
        return _along(value, self.low, self.high, self.start, self.end)

    def ticks(self) -> tuple[PlotTick, ...]:
        """Return the two ends and what lies in the middle."""
        values = (self.low, (self.low + self.high) / 2, self.high)
        return tuple(PlotTick(self.at(value), percent(value)) for value in values)


@dataclass(frozen=True)
class Standing:
    """A measured run of a campaign: its number in the table, its name, and both fidelities."""

    number: int
    name: str
    at: tuple[float, float]


def plot(
    runs: Sequence[Standing],
    numbered: Collection[int],
    front: Sequence[tuple[float, float]],
    chosen: int | None,
    marks: tuple[float, float] | None,
) -> Plot | None:
    """Return both fidelities of a campaign's runs against each other; None when nothing was measured.

    Args:
        runs: those that were measured.
        numbered: the numbers that are written beside their marks.
        front: fidelities of the runs that no other one beats, by rising subject fidelity.
        chosen: number of the recommended one.
        marks: of the gate; what is good lies up and to the right of both.
    """
    if not runs:
        return None
    points = [run.at for run in runs]
    around = [*points, marks] if marks else points
    across = Scale.around([x for x, _ in around], PLOT_LEFT, PLOT_WIDTH - PLOT_RIGHT)
    up = Scale.around([y for _, y in around], PLOT_HEIGHT - PLOT_BOTTOM, PLOT_TOP)
    best = set(front)
    dots = [(across.at(x), up.at(y)) for x, y in points]
    beside = dict(_numbers(runs, dots, numbered, chosen))
    return Plot(
        tuple(
            PlotPoint(
                *dot,
                f"{run.number} {run.name}",
                run.at in best,
                run.number == chosen,
                str(run.number) if run.number in beside else "",
                *beside.get(run.number, (0.0, 0.0)),
            )
            for run, dot in zip(runs, dots, strict=True)
        ),
        _steps([(across.at(x), up.at(y)) for x, y in front]),
        across.at(marks[0]) if marks else None,
        up.at(marks[1]) if marks else None,
        across.ticks(),
        up.ticks(),
    )


def _numbers(
    runs: Sequence[Standing], dots: Sequence[Point], numbered: Collection[int], chosen: int | None
) -> Iterator[tuple[int, Point]]:
    """Yield where the numbers go, so that they cover no other number and no other numbered mark."""
    half_height = (PLOT_HEIGHT - PLOT_BOTTOM) / 2
    shown = [(run, dot) for run, dot in zip(runs, dots, strict=True) if run.number in numbered]
    places = placed(
        # Up is positive there: a front falls to the right, so above and to the right there is most room.
        [(x, -y) for _, (x, y) in shown],
        [(DIGIT_WIDTH * len(str(run.number)), DIGIT_HEIGHT) for run, _ in shown],
        [RING_RADIUS if run.number == chosen else DOT_RADIUS for run, _ in shown],
        Box(PLOT_WIDTH / 2, -half_height, PLOT_WIDTH / 2, half_height),
    )
    for (run, _), (x, y) in zip(shown, places, strict=True):
        yield run.number, (round(x, 1), round(-y, 1))


def _steps(corners: Sequence[tuple[float, float]]) -> str:
    """Return a path that goes up or down to a corner's height first and then across to it."""
    if len(corners) < 2:
        return ""
    (first_x, first_y), *others = corners
    return f"M{first_x} {first_y}" + "".join(f"V{y}H{x}" for x, y in others)


def _along(value: float, low: float, high: float, start: float, end: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return round(start + share * (end - start), 1)
