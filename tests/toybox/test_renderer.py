"""The renderer: determinism, what the mask covers, and that every word of the vocabulary shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moongate.toybox import SUBJECTS, SceneSpec, render, sample_instance_spec, sample_spec
from moongate.toybox.vocabulary import (
    ACCESSORIES,
    COLOUR_RGB,
    COLOURS,
    OBJECTS,
    PATTERNS,
    RELATIONS,
    SCENES,
    SIZE_PIXELS,
    SIZES,
)

BASE = SceneSpec("duck", "blue", "meadow")


def changed_pixels(a: np.ndarray, b: np.ndarray) -> int:
    """Pixels whose largest channel difference exceeds 30."""
    return int((np.abs(a.astype(int) - b.astype(int)).max(axis=-1) > 30).sum())


def near_body(image: np.ndarray, colour: str) -> np.ndarray:
    """Boolean [64, 64]: pixels within the colour jitter of the named body colour."""
    return np.abs(image.astype(int) - np.array(COLOUR_RGB[colour])).max(axis=-1) <= 8


def test_same_seed_same_bytes_whatever_came_before():
    specs = [sample_spec(seed) for seed in range(40)] + [sample_instance_spec(seed) for seed in range(40)]
    first = [render(spec, i) for i, spec in enumerate(specs)]
    second = [render(spec, i) for i, spec in reversed(list(enumerate(specs)))][::-1]
    for a, b in zip(first, second, strict=True):
        assert a.image.tobytes() == b.image.tobytes()
        assert a.mask.tobytes() == b.mask.tobytes()


def test_render_shapes_types_and_fields():
    result = render(BASE, 3)
    assert result.image.shape == (64, 64, 3)
    assert result.image.dtype == np.uint8
    assert result.mask.shape == (64, 64)
    assert result.mask.dtype == np.uint8
    assert (result.spec, result.seed, result.caption) == (BASE, 3, "a blue duck in a meadow")


def test_different_seeds_differ():
    assert len({render(BASE, seed).image.tobytes() for seed in range(50)}) == 50


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", OBJECTS)
def test_mask_area_and_body_colour_for_each_object_and_size(name, size):
    for seed, colour in enumerate(COLOURS):
        result = render(SceneSpec(name, colour, SCENES[seed], size=size), seed)
        area = (result.mask > 127).sum()
        assert 0.3 * SIZE_PIXELS[size] ** 2 < area < 1.2 * SIZE_PIXELS[size] ** 2
        assert result.mask[0].max() == result.mask[-1].max() == 0
        body = near_body(result.image, colour) & (result.mask == 255)
        assert body.sum() > 0.22 * area


def test_body_colour_stays_inside_the_mask():
    # Pink appears nowhere in the underwater scene, so every pink pixel belongs to the object.
    for seed, name in enumerate(OBJECTS):
        result = render(SceneSpec(name, "pink", "underwater"), seed)
        assert not (near_body(result.image, "pink") & (result.mask < 200)).any()


def test_only_the_object_changes_with_its_colour():
    a, b = (render(SceneSpec("cup", colour, "city"), 8) for colour in ("red", "green"))
    assert np.array_equal(a.mask, b.mask)
    assert np.array_equal(a.image[a.mask == 0], b.image[a.mask == 0])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("relation", RELATIONS)
def test_relation_shows_and_leaves_the_object_alone(relation, size):
    for seed, scene in enumerate(SCENES):
        spec = replace(BASE, object=OBJECTS[seed], scene=scene, size=size)
        without, given = render(spec, seed), render(replace(spec, relation=relation), seed)
        assert np.array_equal(without.mask, given.mask)
        inside = without.mask == 255
        assert np.array_equal(without.image[inside], given.image[inside])
        assert changed_pixels(without.image, given.image) > 120


@pytest.mark.parametrize("accessory", ACCESSORIES, ids=lambda a: f"{a.colour}-{a.kind}")
def test_accessory_shows_on_every_object_and_leaves_the_mask(accessory):
    for seed, name in enumerate(OBJECTS):
        for size, least in (("tiny", 16), ("normal", 40), ("giant", 80)):
            spec = SceneSpec(name, "purple", "mountains", size=size)
            without, given = render(spec, seed), render(replace(spec, accessory=accessory), seed)
            worn = near_body(given.image, accessory.colour) & ~near_body(without.image, accessory.colour)
            assert changed_pixels(without.image, given.image) > least
            assert worn.sum() >= least / 4
            assert (given.mask <= without.mask).all()
            assert (given.mask < without.mask).any()


def test_pattern_shows_and_keeps_the_mask():
    for name in OBJECTS:
        plain, striped, spotted = (render(SceneSpec(name, "green", "snow", pattern=p), 4) for p in PATTERNS)
        assert np.array_equal(plain.mask, striped.mask)
        assert changed_pixels(plain.image, striped.image) > 30
        assert changed_pixels(plain.image, spotted.image) > 20
        assert changed_pixels(striped.image, spotted.image) > 30


def test_scenes_differ_in_their_borders():
    border = np.ones((64, 64), bool)
    border[14:58, 8:56] = False
    means = {
        scene: np.mean([render(replace(BASE, scene=scene), s).image[border] for s in range(8)], axis=0)
        for scene in SCENES
    }
    for a in SCENES:
        for b in SCENES:
            assert a == b or np.abs(means[a] - means[b]).mean() > 15


def test_subjects_show_both_tones_and_the_emblem():
    for subject in SUBJECTS.values():
        for seed in range(5):
            image = render(subject.spec("beach"), seed).image.astype(int)
            palette = subject.appearance.palette
            for tone, least in ((palette.body, 30), (palette.second, 30), (palette.accent, 8)):
                close = np.abs(image - np.array(tone)).max(axis=-1) <= 10
                assert close.sum() >= least, (subject.name, tone)


def test_bad_specs_are_refused():
    with pytest.raises(ValueError, match="unknown scene"):
        SceneSpec("duck", "red", "moonbase")
    with pytest.raises(ValueError, match="either"):
        SceneSpec("duck", None, "snow")
