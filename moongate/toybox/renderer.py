"""Draw a SceneSpec: backdrop, relation, object, accessory, each from its own random stream of one seed.

Separate streams keep everything else in place when one part of the spec changes.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from moongate.toybox.adornments import (
    ACCESSORY_PARTS,
    STANDING,
    draw_rainbow,
    emblem_parts,
    pattern_mask,
)
from moongate.toybox.backdrops import BACKDROPS
from moongate.toybox.canvas import FULL, SUPERSAMPLE, Part, Placement, Sketch, distance, jittered, mix, paint
from moongate.toybox.captions import full_caption
from moongate.toybox.shapes import ACCENTS, ANCHORS, SHAPES
from moongate.toybox.vocabulary import COLOUR_RGB, RGB, SIZE_PIXELS, Palette, Render, SceneSpec

COLOUR_JITTER = 6
ACCENT_CLEARANCE = 95.0
DARK_OUTLINE: RGB = (38, 32, 44)
LIGHT_OUTLINE: RGB = (225, 228, 235)

_STREAMS = {"backdrop": 1, "placement": 2, "colour": 3, "relation": 4}
# Horizontal and vertical play in pixels: less than a latent of the autoencoder (4 x 4 pixels), so that a
# small denoiser spends itself on shapes rather than on where they might be.
_PLAY = {"tiny": (3.0, 1.0), "normal": (2.0, 1.0), "giant": (1.0, 0.5)}
# What is large stands a little higher, so that its feet stay in the frame.
_CENTRE_Y = {"tiny": 35.5, "normal": 35.5, "giant": 34.5}


def render(spec: SceneSpec, seed: int) -> Render:
    """Draw `spec`; the same spec and non-negative seed give the same bytes."""
    image = BACKDROPS[spec.scene](_stream(seed, "backdrop"))
    placement = _place(spec, _stream(seed, "placement"))
    if spec.relation is not None:
        _draw_relation(image, spec.relation, placement, _stream(seed, "relation"))
    palette = _palette(spec, _stream(seed, "colour"))
    mask = _draw_object(image, spec, placement, palette)
    if spec.accessory is not None:
        _draw_accessory(image, mask, spec, placement)
    return Render(
        np.asarray(image.reduce(SUPERSAMPLE)).copy(),
        np.asarray(mask.reduce(SUPERSAMPLE)).copy(),
        spec,
        full_caption(spec),
        seed,
    )


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _STREAMS[name]])))


def _place(spec: SceneSpec, rng: np.random.Generator) -> Placement:
    across, down = _PLAY[spec.size]
    x = 32 + rng.uniform(-across, across)
    y = _CENTRE_Y[spec.size] + rng.uniform(-down, down)
    half = SIZE_PIXELS[spec.size] / 2 * rng.uniform(0.94, 1.04)
    return Placement(x * SUPERSAMPLE, y * SUPERSAMPLE, half * SUPERSAMPLE)


def _palette(spec: SceneSpec, rng: np.random.Generator) -> Palette:
    """The jittered body, second and accent colours of the object."""
    if spec.appearance is not None:
        given = spec.appearance.palette
        return Palette(
            jittered(given.body, rng, COLOUR_JITTER),
            jittered(given.second, rng, COLOUR_JITTER),
            jittered(given.accent, rng, COLOUR_JITTER),
        )
    assert spec.colour is not None
    body = jittered(COLOUR_RGB[spec.colour], rng, COLOUR_JITTER)
    return Palette(body, _second_tone(spec.colour, body), _class_accent(spec.object, body))


def _second_tone(colour: str, body: RGB) -> RGB:
    """The pattern's tone: paler, except where paler would be invisible or read as another colour."""
    if colour == "white":
        return mix(body, (110, 115, 130), 0.55)
    return mix(body, (255, 255, 255), 0.42 if colour == "black" else 0.72)


def _class_accent(class_noun: str, body: RGB) -> RGB:
    first, other = ACCENTS[class_noun]
    return first if distance(first, body) >= ACCENT_CLEARANCE else other


def _outline_for(body: RGB) -> RGB:
    luma = 0.299 * body[0] + 0.587 * body[1] + 0.114 * body[2]
    return LIGHT_OUTLINE if luma < 60 else DARK_OUTLINE


def _outline_width(half: float) -> float:
    return 2.6 + 0.032 * half


def _draw_object(image: Image.Image, spec: SceneSpec, placement: Placement, palette: Palette) -> Image.Image:
    """Paint the object on `image`; returns its supersampled silhouette, outline included."""
    sketch = SHAPES[spec.object]()
    outline = _outline_for(palette.body)
    # An appearance's accent belongs to its emblem; beak, wheels and the like keep their class colours.
    accent = _class_accent(spec.object, palette.body)
    roles = {
        "body": palette.body,
        "second": palette.second,
        "accent": accent,
        "outline": outline,
        "emblem": palette.accent,
    }
    mask = _paint_sketch(image, sketch, placement, roles)
    pattern = spec.appearance.pattern if spec.appearance else spec.pattern
    if pattern != "plain":
        _paint_pattern(image, sketch, placement, pattern, palette.second)
    draw = ImageDraw.Draw(image)
    _paint_parts(draw, sketch.front, placement, roles)
    if spec.appearance is not None and spec.appearance.emblem is not None:
        parts = emblem_parts(spec.appearance.emblem, ANCHORS[spec.object].emblem)
        _paint_emblem(draw, parts, placement, roles)
    return mask


def _paint_sketch(
    image: Image.Image, sketch: Sketch, placement: Placement, roles: dict[str, RGB]
) -> Image.Image:
    """Outline, then back and body parts; returns the silhouette of all parts."""
    mask = Image.new("L", (FULL, FULL), 0)
    draw, mask_draw = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    grow = _outline_width(placement.half)
    for part in sketch.back + sketch.body + sketch.front:
        paint(draw, part, placement, roles["outline"], grow)
        paint(mask_draw, part, placement, 255, grow)
    _paint_parts(draw, sketch.back, placement, roles)
    for part in sketch.body if sketch.back else ():
        paint(draw, part, placement, roles["outline"], grow * 0.6)
    _paint_parts(draw, sketch.body, placement, roles)
    return mask


def _paint_parts(
    draw: ImageDraw.ImageDraw, parts: list[Part], placement: Placement, roles: dict[str, RGB]
) -> None:
    for part in parts:
        paint(draw, part, placement, roles[part.fill] if isinstance(part.fill, str) else part.fill)


def _paint_pattern(
    image: Image.Image, sketch: Sketch, placement: Placement, pattern: str, second: RGB
) -> None:
    body = Image.new("L", (FULL, FULL), 0)
    draw = ImageDraw.Draw(body)
    for part in sketch.body:
        paint(draw, part, placement, 255)
    where = pattern_mask(pattern, placement.x, placement.y, placement.half)
    image.paste(second, (0, 0), ImageChops.darker(body, where))


def _paint_emblem(
    draw: ImageDraw.ImageDraw, parts: list[Part], placement: Placement, roles: dict[str, RGB]
) -> None:
    for part in parts:
        paint(draw, part, placement, roles["outline"], 2.5)
    _paint_parts(draw, parts, placement, roles)


def _draw_accessory(image: Image.Image, mask: Image.Image, spec: SceneSpec, placement: Placement) -> None:
    """Paint the accessory and take what it hides out of the object's mask."""
    assert spec.accessory is not None
    anchor = getattr(ANCHORS[spec.object], spec.accessory.kind)
    parts = ACCESSORY_PARTS[spec.accessory.kind](anchor, COLOUR_RGB[spec.accessory.colour])
    draw, mask_draw = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    grow = _outline_width(placement.half) * 0.8
    for part in parts:
        paint(draw, part, placement, DARK_OUTLINE, grow)
        paint(mask_draw, part, placement, 0, grow)
    _paint_parts(draw, parts, placement, {})


def _draw_relation(image: Image.Image, relation: str, placement: Placement, rng: np.random.Generator) -> None:
    """Paint the related thing behind the object, on the side with more room."""
    if relation == "rainbow":
        draw_rainbow(image, 32 + rng.uniform(-2, 2), rng.uniform(1, 3))
        return
    room = -1 if placement.x > FULL / 2 else 1
    x = 32 + room * rng.uniform(23, 25)
    y, half = rng.uniform(27, 30), rng.uniform(24, 26)
    sketch = STANDING[relation]()
    _paint_sketch(
        image,
        sketch,
        Placement(x * SUPERSAMPLE, y * SUPERSAMPLE, half * SUPERSAMPLE),
        {"outline": DARK_OUTLINE},
    )
    _paint_parts(
        ImageDraw.Draw(image),
        sketch.front,
        Placement(x * SUPERSAMPLE, y * SUPERSAMPLE, half * SUPERSAMPLE),
        {},
    )
