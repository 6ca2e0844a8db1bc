"""Drawing random specs and random unnamed appearances from a seed."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from moongate.toybox.vocabulary import (
    ACCESSORIES,
    COLOURS,
    EMBLEMS,
    OBJECTS,
    PATTERNS,
    PRIVATE_PATTERNS,
    RELATIONS,
    RGB,
    SCENES,
    Appearance,
    Palette,
    SceneSpec,
)

T = TypeVar("T")

_SPEC_STREAM, _APPEARANCE_STREAM = 11, 12


def sample_spec(seed: int) -> SceneSpec:
    """A spec uniform over object, colour and scene; most are plain, normal-sized, alone and unadorned."""
    rng = _generator(seed, _SPEC_STREAM)
    return SceneSpec(
        object=_pick(rng, OBJECTS),
        colour=_pick(rng, COLOURS),
        scene=_pick(rng, SCENES),
        pattern=PATTERNS[int(rng.choice(3, p=(0.6, 0.2, 0.2)))],
        size=("normal", "tiny", "giant")[int(rng.choice(3, p=(0.66, 0.17, 0.17)))],
        relation=_pick(rng, RELATIONS) if rng.random() >= 0.7 else None,
        accessory=_pick(rng, ACCESSORIES) if rng.random() >= 0.7 else None,
    )


def sample_instance_appearance(seed: int) -> Appearance:
    """A random look: body and second tone at least 80 degrees of hue apart, a contrasting emblem or none."""
    rng = _generator(seed, _APPEARANCE_STREAM)
    hue = rng.random()
    second = hue + rng.uniform(0.22, 0.78)
    accent = hue + (second - hue) / 2 + (0.5 if second - hue > 0.5 else 0.0) + rng.uniform(-0.05, 0.05)
    # Emblems differ from both tones in lightness as well as hue: they sit across the two.
    light = rng.random() < 0.6
    palette = Palette(
        _hsv(hue, rng.uniform(0.55, 0.95), rng.uniform(0.5, 0.85)),
        _hsv(second, rng.uniform(0.5, 0.95), rng.uniform(0.55, 0.95)),
        _hsv(accent, rng.uniform(0.1, 0.5), 1.0) if light else _hsv(accent, 0.8, rng.uniform(0.15, 0.3)),
    )
    pattern = _pick(rng, ("plain", "striped", "spotted", *PRIVATE_PATTERNS))
    emblem = _pick(rng, EMBLEMS) if rng.random() < 0.7 else None
    return Appearance(palette, pattern, emblem)


def sample_instance_spec(seed: int) -> SceneSpec:
    """`sample_spec(seed)` with `sample_instance_appearance(seed)` in place of colour and pattern."""
    base = sample_spec(seed)
    return replace(base, colour=None, pattern="plain", appearance=sample_instance_appearance(seed))


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def _pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _hsv(hue: float, saturation: float, value: float) -> RGB:
    """HSV (hue in turns, any real; the rest 0..1) as RGB 0..255."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
