"""One small pure function per object class: its Sketch in the unit box [-1, 1]^2, y down, facing right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from moongate.toybox.canvas import Sketch, circle_points, ellipse, line, polygon, rectangle
from moongate.toybox.vocabulary import RGB

WHITE: RGB = (250, 250, 250)
DARK: RGB = (30, 30, 36)
GLASS: RGB = (185, 225, 245)
GREY: RGB = (150, 152, 160)
STEEL: RGB = (105, 108, 118)
CREAM: RGB = (245, 228, 195)
LEAF: RGB = (60, 140, 50)


@dataclass(frozen=True)
class Anchors:
    """Where things attach, in the unit box: emblem and hat and scarf as (x, y, half-width)."""

    emblem: tuple[float, float, float]
    hat: tuple[float, float, float]
    scarf: tuple[float, float, float]


def ball() -> Sketch:
    """A basketball-like ball: disc, a cross of seams."""
    seams = [line([(-0.85, 0), (0.85, 0)], 0.1, "outline"), line([(0, -0.85), (0, 0.85)], 0.1, "outline")]
    return Sketch(body=[ellipse(0, 0, 0.95, 0.95)], front=seams)


def boat() -> Sketch:
    """A sailing boat: hull and main sail in the body colour, a white jib."""
    hull = polygon([(-1, 0.35), (1, 0.35), (0.6, 0.95), (-0.65, 0.95)])
    sail = polygon([(-0.02, -0.95), (-0.02, 0.18), (-0.88, 0.18)])
    jib = polygon([(0.2, -0.7), (0.2, 0.18), (0.8, 0.18)], WHITE)
    return Sketch(
        back=[line([(0.09, -0.95), (0.09, 0.4)], 0.14, (120, 85, 50))], body=[hull, sail], front=[jib]
    )


def car() -> Sketch:
    """A car seen from the side: low body, cabin, window, two wheels, a headlight."""
    shell = [
        polygon([(-1, 0.05), (-0.85, -0.1), (0.85, -0.05), (1, 0.15), (1, 0.55), (-1, 0.55)]),
        polygon([(-0.75, 0.0), (-0.5, -0.65), (0.3, -0.65), (0.65, 0.0)]),
    ]
    windows = [
        polygon([(-0.54, -0.1), (-0.38, -0.47), (-0.12, -0.47), (-0.12, -0.1)], GLASS),
        polygon([(0.04, -0.1), (0.04, -0.47), (0.2, -0.47), (0.42, -0.1)], GLASS),
    ]
    wheels = [ellipse(x, 0.55, 0.27, 0.27, DARK) for x in (-0.55, 0.55)]
    hubs = [ellipse(x, 0.55, 0.11, 0.11, (200, 200, 205)) for x in (-0.55, 0.55)]
    return Sketch(body=shell, front=windows + wheels + hubs + [ellipse(0.9, 0.18, 0.1, 0.1, "accent")])


def cat() -> Sketch:
    """A sitting cat: pointed ears, round head, pear body, curled tail."""
    tail = line([(0.4, 0.75), (0.8, 0.65), (0.88, 0.3), (0.72, 0.05)], 0.2)
    head = [
        ellipse(0, -0.35, 0.56, 0.45),
        polygon([(-0.56, -0.35), (-0.56, -0.98), (-0.08, -0.7)]),
        polygon([(0.56, -0.35), (0.56, -0.98), (0.08, -0.7)]),
    ]
    body = [tail, ellipse(0, 0.45, 0.56, 0.5), *head]
    eyes = [ellipse(x, -0.4, 0.15, 0.15, WHITE) for x in (-0.24, 0.24)]
    pupils = [ellipse(x, -0.4, 0.08, 0.11, DARK) for x in (-0.24, 0.24)]
    nose = polygon([(-0.11, -0.2), (0.11, -0.2), (0, -0.06)], "accent")
    return Sketch(body=body, front=eyes + pupils + [nose])


def cup() -> Sketch:
    """A mug: tapering wall, ring handle, drink in the opening."""
    handle = line(circle_points(0.5, 0.1, 0.42, 0.4, -90, 90, 10), 0.18)
    wall = polygon([(-0.78, -0.6), (0.58, -0.6), (0.46, 0.85), (-0.66, 0.85)])
    opening = [ellipse(-0.1, -0.6, 0.68, 0.24, WHITE), ellipse(-0.1, -0.57, 0.54, 0.15, "accent")]
    return Sketch(back=[handle], body=[wall], front=opening)


def duck() -> Sketch:
    """A swimming duck: oval body with an upturned tail, round head, beak and eye."""
    body = [
        ellipse(-0.1, 0.35, 0.82, 0.52),
        polygon([(-0.95, -0.15), (-0.9, 0.45), (-0.3, 0.1)]),
        ellipse(0.38, -0.42, 0.44, 0.44),
        polygon([(0.05, -0.2), (0.72, -0.2), (0.7, 0.3), (0.0, 0.2)]),
    ]
    beak = polygon([(0.72, -0.52), (1.05, -0.36), (1.02, -0.22), (0.72, -0.18)], "accent")
    wing = line(circle_points(-0.2, 0.22, 0.38, 0.32, 10, 170, 8), 0.09, "outline")
    return Sketch(
        body=body,
        front=[beak, wing, ellipse(0.46, -0.5, 0.14, 0.14, WHITE), ellipse(0.49, -0.5, 0.08, 0.08, DARK)],
    )


def fish() -> Sketch:
    """A fish: almond body, forked tail, fins, big eye."""
    tail = polygon([(-0.45, 0.0), (-1.0, -0.55), (-0.85, 0.0), (-1.0, 0.55)])
    fins = [
        polygon([(-0.3, -0.4), (-0.1, -0.85), (0.4, -0.45)], "accent"),
        polygon([(-0.2, 0.4), (-0.2, 0.8), (0.25, 0.45)], "accent"),
    ]
    eye = [ellipse(0.58, -0.12, 0.17, 0.17, WHITE), ellipse(0.62, -0.12, 0.09, 0.09, DARK)]
    gill = line(circle_points(0.1, 0.0, 0.2, 0.32, -60, 60, 6), 0.08, "outline")
    return Sketch(back=fins, body=[tail, ellipse(0.2, 0, 0.78, 0.52)], front=[*eye, gill])


def flower() -> Sketch:
    """A flower: six round petals, a centre, a stem with two leaves."""
    stem = [
        line([(0, 0.1), (0, 0.95)], 0.16, LEAF),
        ellipse(-0.3, 0.75, 0.28, 0.13, LEAF),
        ellipse(0.3, 0.62, 0.28, 0.13, LEAF),
    ]
    petals = [ellipse(x, y, 0.33, 0.33) for x, y in circle_points(0, -0.27, 0.44, 0.42, 30, 330, 6)]
    return Sketch(
        back=stem,
        body=[*petals, ellipse(0, -0.27, 0.4, 0.4)],
        front=[ellipse(0, -0.27, 0.24, 0.24, "accent")],
    )


def house() -> Sketch:
    """A house: square wall, overhanging dark roof, chimney, door and window."""
    chimney = rectangle(0.38, -0.9, 0.62, -0.35, STEEL)
    roof = polygon([(-1, -0.22), (0, -0.98), (1, -0.22)], "accent")
    door = rectangle(0.18, 0.32, 0.54, 0.92, (95, 60, 35))
    window = rectangle(-0.54, 0.12, -0.12, 0.5, GLASS)
    return Sketch(back=[chimney], body=[rectangle(-0.8, -0.25, 0.8, 0.92)], front=[roof, door, window])


def mushroom() -> Sketch:
    """A mushroom: domed cap in the body colour on a pale stem."""
    stem = polygon([(-0.26, 0.0), (0.26, 0.0), (0.36, 0.92), (-0.36, 0.92)], CREAM)
    cap = polygon([*circle_points(0, 0.15, 0.98, 1.08, 180, 360, 20), (0.8, 0.28), (-0.8, 0.28)])
    return Sketch(back=[stem], body=[cap], front=[])


def robot() -> Sketch:
    """A robot: box head with antenna and lit eyes, box torso, grey limbs."""
    limbs = [
        line([(-0.82, 0.15), (-0.82, 0.6)], 0.2, GREY),
        line([(0.82, 0.15), (0.82, 0.6)], 0.2, GREY),
        line([(-0.82, 0.16), (0.82, 0.16)], 0.18, GREY),
        rectangle(-0.45, 0.7, -0.14, 0.98, STEEL),
        rectangle(0.14, 0.7, 0.45, 0.98, STEEL),
        line([(0, -0.9), (0, -0.6)], 0.12, GREY),
        ellipse(0, -0.88, 0.13, 0.13, "accent"),
    ]
    boxes = [rectangle(-0.56, -0.68, 0.56, -0.04), rectangle(-0.62, 0.04, 0.62, 0.76)]
    face = [
        rectangle(-0.4, -0.52, -0.1, -0.3, "accent"),
        rectangle(0.1, -0.52, 0.4, -0.3, "accent"),
        rectangle(-0.3, -0.2, 0.3, -0.11, "outline"),
    ]
    return Sketch(back=limbs, body=boxes, front=face)


def rocket() -> Sketch:
    """An upright rocket: pointed hull, porthole, two fins, flame."""
    flame = [polygon([(-0.26, 0.6), (0.26, 0.6), (0.0, 1.02)], (255, 170, 30))]
    fins = [
        polygon([(-0.3, 0.1), (-0.82, 0.55), (-0.78, 0.85), (-0.3, 0.65)], "accent"),
        polygon([(0.3, 0.1), (0.82, 0.55), (0.78, 0.85), (0.3, 0.65)], "accent"),
    ]
    hull = polygon(
        [
            (0, -1.0),
            (0.26, -0.72),
            (0.44, -0.3),
            (0.46, 0.2),
            (0.36, 0.68),
            (-0.36, 0.68),
            (-0.46, 0.2),
            (-0.44, -0.3),
            (-0.26, -0.72),
        ]
    )
    port = [ellipse(0, -0.28, 0.25, 0.25, "outline"), ellipse(0, -0.28, 0.17, 0.17, GLASS)]
    return Sketch(back=flame + fins, body=[hull], front=port)


def star() -> Sketch:
    """A five-pointed star with a small face."""
    points = []
    for i in range(10):
        radius, angle = (1.05 if i % 2 == 0 else 0.52), math.radians(-90 + 36 * i)
        points.append((radius * math.cos(angle), 0.06 + radius * math.sin(angle)))
    eyes = [line([(x, -0.12), (x, 0.04)], 0.13, "outline") for x in (-0.19, 0.19)]
    smile = line(circle_points(0, 0.12, 0.22, 0.16, 15, 165, 6), 0.09, "outline")
    return Sketch(body=[polygon(points)], front=[*eyes, smile])


def umbrella() -> Sketch:
    """An open umbrella: scalloped dome with ribs, straight shaft, hooked handle."""
    shaft = line([(0, -0.9), (0, 0.72), *circle_points(0.2, 0.72, 0.2, 0.2, 180, 0, 6)], 0.13, "accent")
    dome = circle_points(0, 0.12, 1.0, 0.98, 180, 360, 20)
    scallops = [
        point for x in (0.667, 0.0, -0.667) for point in circle_points(x, 0.14, 0.33, 0.17, 0, -180, 6)
    ]
    ribs = [line([(side * 0.33, 0.08), (side * 0.26, -0.4), (0, -0.84)], 0.07, "outline") for side in (-1, 1)]
    return Sketch(back=[shaft], body=[polygon(dome + scallops)], front=ribs)


SHAPES: Mapping[str, Callable[[], Sketch]] = MappingProxyType(
    {
        "ball": ball,
        "boat": boat,
        "car": car,
        "cat": cat,
        "cup": cup,
        "duck": duck,
        "fish": fish,
        "flower": flower,
        "house": house,
        "mushroom": mushroom,
        "robot": robot,
        "rocket": rocket,
        "star": star,
        "umbrella": umbrella,
    }
)

# First choice and the one taken when the first is too close to the body colour.
ACCENTS: Mapping[str, tuple[RGB, RGB]] = MappingProxyType(
    {
        "ball": (WHITE, (70, 110, 220)),
        "boat": (WHITE, DARK),
        "car": ((255, 240, 140), WHITE),
        "cat": ((245, 140, 150), (120, 50, 60)),
        "cup": ((95, 60, 40), (95, 60, 40)),
        "duck": ((250, 150, 30), (225, 55, 30)),
        "fish": ((255, 190, 60), (60, 90, 190)),
        "flower": ((252, 215, 60), (120, 75, 35)),
        "house": ((112, 116, 132), (112, 116, 132)),
        "mushroom": (CREAM, CREAM),
        "robot": ((255, 235, 90), (60, 220, 240)),
        "rocket": ((225, 60, 50), (60, 80, 170)),
        "star": (DARK, WHITE),
        "umbrella": ((125, 85, 50), (60, 60, 70)),
    }
)

ANCHORS: Mapping[str, Anchors] = MappingProxyType(
    {
        "ball": Anchors((0.0, 0.0, 0.5), (0.0, -0.88, 0.5), (0.0, 0.55, 0.75)),
        "boat": Anchors((-0.3, -0.1, 0.3), (0.05, -0.85, 0.45), (0.0, 0.42, 0.85)),
        "car": Anchors((0.0, 0.2, 0.32), (-0.1, -0.6, 0.5), (0.0, 0.1, 0.8)),
        "cat": Anchors((0.0, 0.5, 0.38), (0.0, -0.72, 0.48), (0.0, 0.06, 0.5)),
        "cup": Anchors((-0.1, 0.2, 0.45), (-0.1, -0.68, 0.55), (-0.1, 0.0, 0.68)),
        "duck": Anchors((-0.18, 0.33, 0.4), (0.36, -0.78, 0.42), (0.36, 0.02, 0.42)),
        "fish": Anchors((0.02, 0.02, 0.38), (0.3, -0.45, 0.45), (0.3, 0.1, 0.26)),
        "flower": Anchors((0.0, -0.27, 0.45), (0.0, -0.85, 0.48), (0.0, 0.42, 0.4)),
        "house": Anchors((0.0, 0.2, 0.4), (0.0, -0.85, 0.5), (0.0, -0.1, 0.82)),
        "mushroom": Anchors((0.0, -0.3, 0.45), (0.0, -0.82, 0.5), (0.0, 0.42, 0.42)),
        "robot": Anchors((0.0, 0.42, 0.34), (0.0, -0.68, 0.52), (0.0, 0.04, 0.56)),
        "rocket": Anchors((0.0, 0.28, 0.34), (0.0, -0.78, 0.4), (0.0, 0.12, 0.52)),
        "star": Anchors((0.0, 0.1, 0.4), (0.0, -0.72, 0.42), (0.0, 0.45, 0.5)),
        "umbrella": Anchors((0.0, -0.35, 0.42), (0.0, -0.8, 0.48), (0.0, 0.4, 0.4)),
    }
)
