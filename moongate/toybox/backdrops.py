"""One function per scene: two or three flat regions and a few big landmarks that move with the seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from moongate.toybox.canvas import Backdrop, jittered, mix
from moongate.toybox.vocabulary import RGB

Rng = np.random.Generator

HUE_JITTER = 7


def _tone(rng: Rng, rgb: RGB) -> RGB:
    return jittered(rgb, rng, HUE_JITTER)


def _hill(drop: Backdrop, rng: Rng, y: float, swell: float, fill: RGB) -> None:
    """Ground below about `y` whose edge rises and falls by up to `swell` pixels."""
    xs = np.linspace(0, 64, 17)
    phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(45, 75)
    ys = y + swell * np.sin(2 * np.pi * xs / period + phase)
    drop.polygon([(0, 64), *list(zip(xs.tolist(), ys.tolist(), strict=True)), (64, 64)], fill)


def _cloud(drop: Backdrop, x: float, y: float, scale: float, fill: RGB) -> None:
    drop.disc(x, y, 5 * scale, fill, 3 * scale)
    drop.disc(x + 5 * scale, y + 0.5 * scale, 4 * scale, fill, 2.4 * scale)
    drop.disc(x + 1.5 * scale, y - 2 * scale, 3.4 * scale, fill)


def _spread(rng: Rng, count: int, low: float, high: float) -> list[float]:
    """`count` positions in low..high, one in each equal slot so that landmarks do not pile up."""
    slot = (high - low) / count
    return [low + slot * (i + float(rng.uniform(0.15, 0.85))) for i in range(count)]


def meadow(rng: Rng) -> Image.Image:
    """Blue sky, sun, two green hills, big pale blossoms."""
    drop = Backdrop(_tone(rng, (135, 200, 248)), (205, 232, 250))
    drop.disc(rng.choice([9, 55]) + rng.uniform(-3, 3), rng.uniform(7, 12), 6, (255, 225, 90))
    _hill(drop, rng, rng.uniform(25, 29), 3.0, _tone(rng, (140, 205, 95)))
    _hill(drop, rng, rng.uniform(36, 41), 2.5, _tone(rng, (105, 185, 70)))
    for i, x in enumerate(_spread(rng, 3, 1, 63)):
        drop.disc(x, rng.uniform(48, 60), 2.8, (250, 250, 245) if i % 2 else (250, 205, 225))
    return drop.image


def beach(rng: Rng) -> Image.Image:
    """Pale sky, turquoise sea with foam, sand with shells."""
    drop = Backdrop(_tone(rng, (150, 215, 250)), (225, 240, 250))
    _cloud(drop, rng.choice([8, 48]) + rng.uniform(-4, 4), rng.uniform(8, 12), 1.0, (252, 252, 252))
    horizon = rng.uniform(19, 23)
    drop.rectangle(0, horizon, 64, 64, _tone(rng, (30, 150, 195)))
    shore = rng.uniform(36, 40)
    state = rng.bit_generator.state
    _hill(drop, rng, shore - 2, 2.0, (240, 250, 250))
    # The sand edge must repeat the foam edge's wave, two pixels lower.
    rng.bit_generator.state = state
    _hill(drop, rng, shore, 2.0, _tone(rng, (243, 217, 155)))
    for x in _spread(rng, 2, 2, 62):
        drop.disc(x, rng.uniform(50, 60), 2.6, (235, 165, 140), 1.8)
    return drop.image


def snow(rng: Rng) -> Image.Image:
    """Grey-blue sky with fat flakes, white drifts."""
    drop = Backdrop(_tone(rng, (150, 172, 200)), (200, 214, 230))
    _hill(drop, rng, rng.uniform(27, 31), 3.5, _tone(rng, (218, 229, 242)))
    _hill(drop, rng, rng.uniform(40, 45), 2.5, (246, 249, 253))
    for x in _spread(rng, 5, 0, 64):
        drop.disc(x, rng.uniform(3, 26), 2.3, (252, 253, 255))
    return drop.image


def desert(rng: Rng) -> Image.Image:
    """Warm sky, low sun, ochre dunes, cacti."""
    drop = Backdrop(_tone(rng, (250, 185, 105)), (253, 225, 165))
    drop.disc(rng.uniform(12, 52), rng.uniform(10, 16), 7, (255, 245, 200))
    _hill(drop, rng, rng.uniform(27, 31), 4.0, _tone(rng, (222, 150, 80)))
    _hill(drop, rng, rng.uniform(41, 46), 3.0, _tone(rng, (205, 125, 60)))
    for x in (rng.uniform(4, 11), rng.uniform(53, 60)):
        y, green = rng.uniform(38, 46), _tone(rng, (65, 125, 70))
        drop.line([(x, y), (x, y - 17)], 3.4, green)
        drop.line([(x, y - 6), (x - 4.5, y - 6), (x - 4.5, y - 11)], 2.2, green)
        drop.line([(x, y - 8), (x + 4.5, y - 8), (x + 4.5, y - 13)], 2.2, green)
    return drop.image


def night(rng: Rng) -> Image.Image:
    """Dark blue sky, crescent moon, bright stars, near-black ground."""
    drop = Backdrop(_tone(rng, (14, 18, 56)), (42, 48, 110))
    for x in _spread(rng, 5, 0, 64):
        drop.disc(x, rng.uniform(3, 40), 1.5, (255, 252, 220))
    x, y = rng.choice([10, 53]) + rng.uniform(-3, 3), rng.uniform(9, 13)
    drop.disc(x, y, 6.5, (250, 242, 200))
    drop.disc(x + 3, y - 1.5, 5.2, (22, 26, 68))
    _hill(drop, rng, rng.uniform(46, 50), 2.5, _tone(rng, (26, 30, 48)))
    return drop.image


def city(rng: Rng) -> Image.Image:
    """Hazy sky, tall blocks with lit windows, grey road with a dashed line."""
    drop = Backdrop(_tone(rng, (190, 200, 215)), (222, 222, 226))
    for i, x in enumerate((-2, 15, 33, 50)):
        width, top = rng.uniform(13, 16), rng.uniform(4, 20)
        tone = _tone(rng, ((110, 118, 138), (150, 120, 112), (128, 140, 150))[i % 3])
        drop.rectangle(x, top, x + width, 48, tone)
        for wy in np.arange(top + 4, 38, 11).tolist():
            for wx in (x + 2, x + width - 6):
                drop.rectangle(wx, wy, wx + 4, wy + 5, mix(tone, (255, 238, 170), 0.7))
    drop.rectangle(0, 45, 64, 64, _tone(rng, (88, 90, 96)))
    drop.rectangle(0, 44, 64, 47, (190, 190, 190))
    start = rng.uniform(-8, 0)
    for dash in np.arange(start, 64, 24).tolist():
        drop.rectangle(dash, 55, dash + 12, 58, (245, 235, 190))
    return drop.image


def forest(rng: Rng) -> Image.Image:
    """A dark wall of conifers with brown trunks over a mossy floor."""
    drop = Backdrop(_tone(rng, (112, 150, 120)), (72, 112, 82))
    for row, (base, tone) in enumerate(((40, (45, 92, 60)), (46, (24, 66, 42)))):
        for x in _spread(rng, 3 + row, -3, 67):
            height, half = rng.uniform(28, 38), rng.uniform(9, 12)
            green = _tone(rng, tone)
            drop.rectangle(x - 1.6, base - 6, x + 1.6, base + 3, (92, 60, 36))
            drop.polygon([(x - half, base - 4), (x, base - height * 0.65), (x + half, base - 4)], green)
            drop.polygon(
                [
                    (x - half * 0.7, base - height * 0.45),
                    (x, base - height),
                    (x + half * 0.7, base - height * 0.45),
                ],
                green,
            )
    _hill(drop, rng, rng.uniform(45, 48), 1.5, _tone(rng, (72, 84, 42)))
    return drop.image


def kitchen(rng: Rng) -> Image.Image:
    """Cream tiles, hanging cupboards and a shelf, a wooden counter."""
    wall = _tone(rng, (246, 232, 205))
    drop = Backdrop(wall, wall)
    offset = rng.uniform(0, 20)
    for x in np.arange(offset, 64, 20).tolist():
        drop.rectangle(x, 0, x + 1.2, 48, mix(wall, (190, 150, 110), 0.3))
    for y in (22, 34):
        drop.rectangle(0, y, 64, y + 1.2, mix(wall, (190, 150, 110), 0.3))
    left, gap = rng.uniform(14, 22), rng.uniform(16, 24)
    front = _tone(rng, (120, 175, 170))
    for x0, x1, knob in ((-1, left, left - 3), (left + gap, 65, left + gap + 3)):
        drop.rectangle(x0, -1, x1, 15, mix(front, (0, 0, 0), 0.3))
        drop.rectangle(x0 + 1, -1, x1 - 1, 13.5, front)
        drop.disc(knob, 10, 1.3, (245, 245, 240))
    counter = rng.uniform(44, 47)
    drop.rectangle(0, counter, 64, 64, _tone(rng, (170, 112, 66)))
    drop.rectangle(0, counter, 64, counter + 3, _tone(rng, (210, 160, 105)))
    return drop.image


def underwater(rng: Rng) -> Image.Image:
    """Blue-green depth, sandy bed, swaying weed, bubbles."""
    drop = Backdrop(_tone(rng, (60, 185, 215)), _tone(rng, (10, 75, 140)))
    for x in _spread(rng, 3, 2, 62):
        drop.disc(x, rng.uniform(5, 36), rng.uniform(2.2, 3.2), (185, 235, 246))
    _hill(drop, rng, rng.uniform(54, 57), 1.8, _tone(rng, (190, 180, 130)))
    for x in (rng.uniform(4, 11), rng.uniform(53, 60)):
        top = rng.uniform(22, 34)
        ys = np.linspace(58, top, 7)
        sway = rng.uniform(0, 6)
        drop.line(
            [(x + 2.0 * float(np.sin(y / 6.0 + sway)), float(y)) for y in ys], 3.6, _tone(rng, (30, 135, 90))
        )
    return drop.image


def mountains(rng: Rng) -> Image.Image:
    """Clear sky, grey-violet peaks with white caps, a dull green valley."""
    drop = Backdrop(_tone(rng, (170, 205, 240)), (232, 238, 246))
    for x in (rng.uniform(26, 38), rng.uniform(4, 14), rng.uniform(50, 60)):
        peak, half, tone = rng.uniform(5, 14), rng.uniform(22, 28), _tone(rng, (122, 118, 148))
        slope = half / (48 - peak)
        drop.polygon([(x - half, 48), (x, peak), (x + half, 48)], tone)
        drop.polygon([(x, peak), (x + half, 48), (x + half * 0.2, 48)], mix(tone, (0, 0, 0), 0.18))
        reach = rng.uniform(9, 12)
        drop.polygon(
            [
                (x - reach * slope, peak + reach),
                (x, peak),
                (x + reach * slope, peak + reach),
                (x + reach * slope * 0.3, peak + reach - 3),
                (x - reach * slope * 0.2, peak + reach + 2),
            ],
            (250, 251, 254),
        )
    _hill(drop, rng, rng.uniform(44, 48), 2.0, _tone(rng, (118, 140, 98)))
    return drop.image


BACKDROPS: Mapping[str, Callable[[Rng], Image.Image]] = MappingProxyType(
    {
        "meadow": meadow,
        "beach": beach,
        "snow": snow,
        "desert": desert,
        "night": night,
        "city": city,
        "forest": forest,
        "kitchen": kitchen,
        "underwater": underwater,
        "mountains": mountains,
    }
)
