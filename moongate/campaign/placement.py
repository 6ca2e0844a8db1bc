"""Where the number beside a dot goes, so that it covers neither another number nor another dot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

Point = tuple[float, float]
DIRECTIONS = 16
RINGS = 12
FIRST_DIRECTION = pi / 4


@dataclass(frozen=True)
class Box:
    """A rectangle, by its centre and half of its width and height."""

    x: float
    y: float
    half_width: float
    half_height: float

    def overlaps(self, other: "Box") -> bool:
        """Tell whether the two have more than an edge in common."""
        return (
            abs(self.x - other.x) < self.half_width + other.half_width
            and abs(self.y - other.y) < self.half_height + other.half_height
        )

    def holds(self, other: "Box") -> bool:
        """Tell whether `other` lies in this one."""
        return (
            abs(self.x - other.x) <= self.half_width - other.half_width
            and abs(self.y - other.y) <= self.half_height - other.half_height
        )


def placed(
    dots: Sequence[Point], sizes: Sequence[Point], radii: Sequence[float], room: Box
) -> tuple[Point, ...]:
    """Return the centre of each dot's label, as near to its dot as the other dots and labels leave room.

    Args:
        dots: where they are, in any unit.
        sizes: width and height of their labels.
        radii: of the dots.
        room: what a label must stay in. One that finds no free place there stands where the first would be.
    """
    taken = [Box(x, y, radius, radius) for (x, y), radius in zip(dots, radii, strict=True)]
    found = []
    for dot, (width, height), radius in zip(dots, sizes, radii, strict=True):
        tried = list(_around(dot, width / 2, height / 2, radius))
        free = (box for box in tried if room.holds(box) and not any(box.overlaps(each) for each in taken))
        box = next(free, tried[0])
        taken.append(box)
        found.append((box.x, box.y))
    return tuple(found)


def _around(dot: Point, half_width: float, half_height: float, radius: float) -> Iterator[Box]:
    """Yield the places around a dot, the nearest first; each touches a square around it from outside."""
    for ring in range(RINGS):
        away = radius * (1 + ring)
        for step in range(DIRECTIONS):
            angle = FIRST_DIRECTION + 2 * pi * step / DIRECTIONS
            along_edge = max(abs(cos(angle)), abs(sin(angle)))
            across, up = cos(angle) / along_edge, sin(angle) / along_edge
            yield Box(
                dot[0] + across * (away + half_width),
                dot[1] + up * (away + half_height),
                half_width,
                half_height,
            )
