"""Drawing primitives: a backdrop canvas in output pixels and a Sketch of parts in an object's unit box.

Everything is drawn at SUPERSAMPLE times the output size and box-reduced, which gives antialiased edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from moongate.toybox.vocabulary import IMAGE_SIZE, RGB

SUPERSAMPLE = 4
FULL = IMAGE_SIZE * SUPERSAMPLE

Point = tuple[float, float]


def mix(a: RGB, b: RGB, weight: float) -> RGB:
    """`a` moved towards `b` by `weight` in 0..1."""
    return tuple(round(x + (y - x) * weight) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def jittered(rgb: RGB, rng: np.random.Generator, amount: int) -> RGB:
    """`rgb` with independent uniform integer noise of +-`amount` on each channel, clipped to 0..255."""
    noise = rng.integers(-amount, amount + 1, 3)
    values = (min(255, max(0, c + int(n))) for c, n in zip(rgb, noise, strict=True))
    return tuple(values)  # type: ignore[return-value]


def distance(a: RGB, b: RGB) -> float:
    """Euclidean distance of two colours, 0..441."""
    return math.dist(a, b)


def circle_points(
    x: float, y: float, rx: float, ry: float, start: float, stop: float, count: int = 16
) -> list[Point]:
    """`count` points along an elliptic arc from `start` to `stop` degrees (0 = right, 90 = down)."""
    angles = [math.radians(start + (stop - start) * i / (count - 1)) for i in range(count)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


@dataclass(frozen=True)
class Part:
    """One primitive: kind "ellipse" (two corner points), "polygon" or "line" (points, `width`).

    `fill` is an RGB or a role name ("body", "second", "accent", "outline") resolved when painting.
    """

    kind: str
    points: tuple[Point, ...]
    fill: RGB | str
    width: float = 0.0


@dataclass
class Sketch:
    """An object as three stacks of parts in the unit box [-1, 1]^2 (y down), painted back to front."""

    back: list[Part] = field(default_factory=list)
    body: list[Part] = field(default_factory=list)
    front: list[Part] = field(default_factory=list)


def ellipse(x: float, y: float, rx: float, ry: float, fill: RGB | str = "body") -> Part:
    """An ellipse part by centre and radii."""
    return Part("ellipse", ((x - rx, y - ry), (x + rx, y + ry)), fill)


def polygon(points: Sequence[Point], fill: RGB | str = "body") -> Part:
    """A filled polygon part."""
    return Part("polygon", tuple(points), fill)


def rectangle(x0: float, y0: float, x1: float, y1: float, fill: RGB | str = "body") -> Part:
    """An axis-aligned rectangle part."""
    return Part("polygon", ((x0, y0), (x1, y0), (x1, y1), (x0, y1)), fill)


def line(points: Sequence[Point], width: float, fill: RGB | str = "body") -> Part:
    """A thick polyline part; `width` in the same unit as the points."""
    return Part("line", tuple(points), fill, width)


@dataclass(frozen=True)
class Placement:
    """Where a unit box lands on the supersampled canvas: centre and half-size there, mirrored or not."""

    x: float
    y: float
    half: float

    def points(self, points: Sequence[Point]) -> list[Point]:
        """Unit-box points in supersampled pixels."""
        return [(self.x + px * self.half, self.y + py * self.half) for px, py in points]


def paint(
    draw: ImageDraw.ImageDraw, part: Part, placement: Placement, fill: RGB | int, grow: float = 0.0
) -> None:
    """Paint `part` with `fill`, widened by `grow` supersampled pixels on every side."""
    points = placement.points(part.points)
    if part.kind == "ellipse":
        (x0, y0), (x1, y1) = points
        draw.ellipse((min(x0, x1) - grow, y0 - grow, max(x0, x1) + grow, y1 + grow), fill=fill)
        return
    if part.kind == "polygon":
        draw.polygon(points, fill=fill)
        if grow:
            _thick_line(draw, points + points[:1], 2 * grow, fill)
        return
    _thick_line(draw, points, part.width * placement.half + 2 * grow, fill)


def _thick_line(draw: ImageDraw.ImageDraw, points: list[Point], width: float, fill: RGB | int) -> None:
    draw.line(points, fill=fill, width=max(1, round(width)))
    # ImageDraw leaves wedge gaps where wide segments meet; discs close them and round the ends.
    radius = width / 2
    for x, y in points:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def graded(top: RGB, bottom: RGB) -> Image.Image:
    """A supersampled image that fades from `top` to `bottom`."""
    ramp = np.linspace(0.0, 1.0, FULL)[:, None]
    column = np.array(top) * (1 - ramp) + np.array(bottom) * ramp
    return Image.fromarray(column.round().astype(np.uint8)[:, None, :]).resize((FULL, FULL))


class Backdrop:
    """A scene being drawn, addressed in output pixels (0..64)."""

    def __init__(self, top: RGB, bottom: RGB) -> None:
        self.image = graded(top, bottom)
        self._draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * SUPERSAMPLE, y * SUPERSAMPLE) for x, y in points], fill=fill)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, fill: RGB) -> None:
        """A filled rectangle."""
        self.polygon(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), fill)

    def disc(self, x: float, y: float, rx: float, fill: RGB, ry: float | None = None) -> None:
        """A filled ellipse; a circle unless `ry` is given."""
        ry = rx if ry is None else ry
        box = ((x - rx), (y - ry), (x + rx), (y + ry))
        self._draw.ellipse([v * SUPERSAMPLE for v in box], fill=fill)

    def line(self, points: Sequence[Point], width: float, fill: RGB) -> None:
        """A thick polyline with round joints."""
        _thick_line(
            self._draw, [(x * SUPERSAMPLE, y * SUPERSAMPLE) for x, y in points], width * SUPERSAMPLE, fill
        )
