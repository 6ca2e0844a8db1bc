"""The words of the toy world and the values behind them: every spec, caption and pixel derives from these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

RGB = tuple[int, int, int]

IMAGE_SIZE = 64

OBJECTS: tuple[str, ...] = (
    "ball",
    "boat",
    "car",
    "cat",
    "cup",
    "duck",
    "fish",
    "flower",
    "house",
    "mushroom",
    "robot",
    "rocket",
    "star",
    "umbrella",
)

COLOUR_RGB: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (220, 35, 40),
        "orange": (250, 135, 20),
        "yellow": (250, 222, 45),
        "green": (40, 165, 65),
        "blue": (40, 90, 220),
        "purple": (130, 50, 170),
        "pink": (250, 140, 190),
        "brown": (125, 75, 35),
        "black": (34, 34, 40),
        "white": (244, 244, 244),
    }
)
COLOURS: tuple[str, ...] = tuple(COLOUR_RGB)

SCENE_PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "meadow": "in a meadow",
        "beach": "on a beach",
        "snow": "in the snow",
        "desert": "in the desert",
        "night": "under the stars",
        "city": "in a city",
        "forest": "in a forest",
        "kitchen": "in a kitchen",
        "underwater": "under water",
        "mountains": "in the mountains",
    }
)
SCENES: tuple[str, ...] = tuple(SCENE_PHRASES)

PATTERNS: tuple[str, ...] = ("plain", "striped", "spotted")
# Patterns only an Appearance may have: the caption vocabulary has no word for them.
PRIVATE_PATTERNS: tuple[str, ...] = ("split", "band", "dots")
EMBLEMS: tuple[str, ...] = ("heart", "bolt", "ring", "cross", "moon", "triangle")

SIZE_PIXELS: Mapping[str, int] = MappingProxyType({"tiny": 30, "normal": 41, "giant": 50})
SIZES: tuple[str, ...] = tuple(SIZE_PIXELS)

RELATION_PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "tree": "next to a tree",
        "lamp": "next to a lamp",
        "rainbow": "under a rainbow",
    }
)
RELATIONS: tuple[str, ...] = tuple(RELATION_PHRASES)

ACCESSORY_KINDS: tuple[str, ...] = ("hat", "scarf")
ACCESSORY_COLOURS: tuple[str, ...] = ("red", "blue", "yellow", "green")

IDENTIFIERS: tuple[str, ...] = ("sks", "zwx", "ohwx", "bnha", "qxj", "vlk")


def _require(value: str, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise ValueError(f"unknown {what} {value!r}; expected one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Accessory:
    """Something worn: `kind` from ACCESSORY_KINDS, `colour` from ACCESSORY_COLOURS."""

    kind: str
    colour: str

    def __post_init__(self) -> None:
        _require(self.kind, ACCESSORY_KINDS, "accessory kind")
        _require(self.colour, ACCESSORY_COLOURS, "accessory colour")

    @property
    def phrase(self) -> str:
        """The caption phrase, such as "with a red hat"."""
        return f"with a {self.colour} {self.kind}"


ACCESSORIES: tuple[Accessory, ...] = tuple(
    Accessory(kind, colour) for kind in ACCESSORY_KINDS for colour in ACCESSORY_COLOURS
)


@dataclass(frozen=True)
class Palette:
    """Three RGB colours, each channel 0..255: body, second tone (pattern) and accent (emblem)."""

    body: RGB
    second: RGB
    accent: RGB


@dataclass(frozen=True)
class Appearance:
    """A look given outright instead of by a colour name: palette, pattern and optional emblem."""

    palette: Palette
    pattern: str = "plain"
    emblem: str | None = None

    def __post_init__(self) -> None:
        _require(self.pattern, PATTERNS + PRIVATE_PATTERNS, "pattern")
        if self.emblem is not None:
            _require(self.emblem, EMBLEMS, "emblem")


@dataclass(frozen=True)
class SceneSpec:
    """What one image shows.

    `colour` is None exactly when `appearance` is given; the appearance's pattern then replaces `pattern`,
    which must stay "plain". `relation` is a key of RELATION_PHRASES or None.
    """

    object: str
    colour: str | None
    scene: str
    pattern: str = "plain"
    size: str = "normal"
    relation: str | None = None
    accessory: Accessory | None = None
    appearance: Appearance | None = None

    def __post_init__(self) -> None:
        _require(self.object, OBJECTS, "object")
        _require(self.scene, SCENES, "scene")
        _require(self.pattern, PATTERNS, "pattern")
        _require(self.size, SIZES, "size")
        if self.relation is not None:
            _require(self.relation, RELATIONS, "relation")
        if (self.colour is None) == (self.appearance is None):
            raise ValueError("a SceneSpec takes either a colour name or an appearance, not both or neither")
        if self.colour is not None:
            _require(self.colour, COLOURS, "colour")
        if self.appearance is not None and self.pattern != "plain":
            raise ValueError("with an appearance, set the pattern on the appearance")


@dataclass(frozen=True, eq=False)
class Render:
    """A drawn scene.

    image: uint8 [64, 64, 3] RGB. mask: uint8 [64, 64], 0..255 coverage by the object's visible pixels,
    outline included, accessory excluded. caption: the full caption of `spec`. seed: the one rendered with.
    """

    image: np.ndarray
    mask: np.ndarray
    spec: SceneSpec
    caption: str
    seed: int
