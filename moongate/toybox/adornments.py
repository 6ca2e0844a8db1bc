"""What surrounds or decorates the object: relations (tree, lamp, rainbow), accessories, emblems, patterns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image, ImageDraw

from moongate.toybox.canvas import (
    FULL,
    SUPERSAMPLE,
    Part,
    Sketch,
    circle_points,
    ellipse,
    line,
    polygon,
    rectangle,
)
from moongate.toybox.vocabulary import RGB

Anchor = tuple[float, float, float]

RAINBOW: tuple[RGB, ...] = (
    (228, 50, 50),
    (250, 150, 40),
    (252, 226, 70),
    (70, 180, 80),
    (60, 110, 225),
    (140, 70, 180),
)


def tree() -> Sketch:
    """A round-crowned apple tree; the scenes have only conifers, so it stands out in a forest too."""
    crown = [
        ellipse(0, -0.45, 0.42, 0.42, (85, 190, 60)),
        ellipse(-0.25, -0.2, 0.32, 0.32, (85, 190, 60)),
        ellipse(0.25, -0.2, 0.32, 0.32, (85, 190, 60)),
    ]
    apples = [
        ellipse(x, y, 0.13, 0.13, (225, 40, 40)) for x, y in ((-0.08, -0.58), (-0.28, -0.16), (0.26, -0.22))
    ]
    return Sketch(back=[rectangle(-0.12, 0.0, 0.12, 0.98, (135, 85, 45))], body=crown, front=apples)


def lamp() -> Sketch:
    """A street lamp: grey post, wide foot, glowing yellow lantern under a cap."""
    grey = (140, 144, 155)
    post = [rectangle(-0.07, -0.4, 0.07, 0.9, grey), rectangle(-0.24, 0.84, 0.24, 0.98, grey)]
    lantern = polygon([(-0.28, -0.8), (0.28, -0.8), (0.18, -0.36), (-0.18, -0.36)], (255, 226, 70))
    cap = polygon([(-0.36, -0.78), (0, -1.0), (0.36, -0.78)], (90, 94, 105))
    return Sketch(back=post, body=[lantern], front=[cap])


STANDING: Mapping[str, Callable[[], Sketch]] = MappingProxyType({"tree": tree, "lamp": lamp})


def draw_rainbow(image: Image.Image, x: float, top: float) -> None:
    """Paint a rainbow over `image` whose crown is at (`x`, `top`) in output pixels."""
    draw = ImageDraw.Draw(image)
    outer, band = 34.0, 2.2
    for i, rgb in enumerate(RAINBOW):
        radius = outer - band * i
        box = (x - radius, top + outer - radius, x + radius, top + outer + radius)
        draw.arc([v * SUPERSAMPLE for v in box], 180, 360, fill=rgb, width=round(band * SUPERSAMPLE) + 1)


def hat(anchor: Anchor, fill: RGB) -> list[Part]:
    """A tall hat that stands on `anchor`, with a pale ribbon."""
    x, y, w = anchor
    return [
        rectangle(x - 0.62 * w, y - 0.95 * w, x + 0.62 * w, y, fill),
        rectangle(x - w, y - 0.18 * w, x + w, y + 0.1 * w, fill),
        rectangle(x - 0.62 * w, y - 0.4 * w, x + 0.62 * w, y - 0.18 * w, (250, 250, 245)),
    ]


def scarf(anchor: Anchor, fill: RGB) -> list[Part]:
    """A thick scarf across `anchor` with a hanging, fringed end."""
    x, y, w = anchor
    curve = [(x - w, y - 0.03), (x - 0.5 * w, y + 0.07), (x + 0.5 * w, y + 0.07), (x + w, y - 0.03)]
    end = max(-0.5 * w, -0.35)
    return [
        line(curve, 0.24, fill),
        polygon(
            [(x + end - 0.13, y), (x + end + 0.13, y), (x + end + 0.18, y + 0.5), (x + end - 0.18, y + 0.5)],
            fill,
        ),
        line([(x + end - 0.15, y + 0.4), (x + end + 0.15, y + 0.4)], 0.07, (250, 250, 245)),
    ]


ACCESSORY_PARTS: Mapping[str, Callable[[Anchor, RGB], list[Part]]] = MappingProxyType(
    {
        "hat": hat,
        "scarf": scarf,
    }
)


def emblem_parts(name: str, anchor: Anchor) -> list[Part]:
    """The emblem `name` in the accent colour, centred on `anchor` and as wide as it says."""
    x, y, w = anchor
    if name == "ring":
        return [line(circle_points(x, y, 0.72 * w, 0.72 * w, 0, 360, 20), 0.42 * w, "emblem")]
    if name == "heart":
        return [
            ellipse(x - 0.45 * w, y - 0.3 * w, 0.5 * w, 0.5 * w, "emblem"),
            ellipse(x + 0.45 * w, y - 0.3 * w, 0.5 * w, 0.5 * w, "emblem"),
            polygon([(x - 0.92 * w, y - 0.12 * w), (x + 0.92 * w, y - 0.12 * w), (x, y + w)], "emblem"),
        ]
    return [polygon([(x + w * px, y + w * py) for px, py in _EMBLEM_POINTS[name]], "emblem")]


_EMBLEM_POINTS: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "bolt": ((0.25, -1.1), (-0.75, 0.2), (-0.1, 0.2), (-0.3, 1.1), (0.75, -0.3), (0.1, -0.3)),
        "cross": (
            (-0.3, -1),
            (0.3, -1),
            (0.3, -0.3),
            (1, -0.3),
            (1, 0.3),
            (0.3, 0.3),
            (0.3, 1),
            (-0.3, 1),
            (-0.3, 0.3),
            (-1, 0.3),
            (-1, -0.3),
            (-0.3, -0.3),
        ),
        "triangle": ((0, -1), (1, 0.85), (-1, 0.85)),
        "moon": tuple(
            circle_points(0, 0, 1, 1, 60, 300, 16) + circle_points(0.35, 0, 0.62, 0.72, 270, 90, 10)
        ),
    }
)


def pattern_mask(pattern: str, x: float, y: float, half: float) -> Image.Image:
    """Where the second tone goes: an L image [256, 256] for an object centred at (x, y) (supersampled)."""
    mask = Image.new("L", (FULL, FULL), 0)
    draw = ImageDraw.Draw(mask)
    if pattern == "striped":
        step = half * 0.66
        for i in range(-3, 4):
            sx = x + i * step
            draw.polygon(
                [
                    (sx + 0.3 * half, y - 1.1 * half),
                    (sx + 0.56 * half, y - 1.1 * half),
                    (sx - 0.04 * half, y + 1.1 * half),
                    (sx - 0.3 * half, y + 1.1 * half),
                ],
                fill=255,
            )
    elif pattern in ("spotted", "dots"):
        step, radius = (0.6, 0.18) if pattern == "spotted" else (0.72, 0.22)
        _dots(draw, x, y, half, step, radius)
    elif pattern == "split":
        draw.rectangle((0, y + 0.15 * half, FULL, FULL), fill=255)
    elif pattern == "band":
        draw.rectangle((0, y - 0.05 * half, FULL, y + 0.4 * half), fill=255)
    return mask


def _dots(draw: ImageDraw.ImageDraw, x: float, y: float, half: float, step: float, radius: float) -> None:
    count, r = math.ceil(1.1 / step), radius * half
    for row in range(-count, count + 1):
        for column in range(-count - 1, count + 1):
            px = x + (column + (0.5 if row % 2 else 0.0)) * step * half + 0.12 * half
            py = y + row * step * 0.85 * half + 0.08 * half
            draw.ellipse((px - r, py - r, px + r, py + r), fill=255)
