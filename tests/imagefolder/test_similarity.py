from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.hostile.folder import encoded, picture
from moongate.imagefolder.pictures import PictureRules, develop
from moongate.imagefolder.similarity import HASH_BITS, NEAR_BITS, Lookalikes, bits_apart, difference_hash

RULES = PictureRules(
    resolution=64, max_pixels=10_000_000, min_side=8, max_aspect=3.0, background=(255, 255, 255)
)


def hash_of(content: bytes) -> int:
    found = difference_hash(develop(content, RULES).pixels)
    assert found is not None
    return found


def ramp(low: int, high: int) -> np.ndarray:
    return np.tile(np.linspace(low, high, 64).astype(np.uint8)[None, :, None], (64, 1, 3))


def test_bits_say_where_a_picture_grows_brighter_to_the_right() -> None:
    assert difference_hash(ramp(0, 255)) == 2**HASH_BITS - 1
    assert difference_hash(np.ascontiguousarray(ramp(0, 255)[:, ::-1])) == 0


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_flat_picture_has_no_hash_for_it_would_be_like_any_other(grey: int) -> None:
    assert difference_hash(np.full((64, 64, 3), grey, np.uint8)) is None
    assert difference_hash(ramp(grey // 2, grey // 2 + 4)) is None


@pytest.mark.parametrize(
    "again",
    [
        lambda image: encoded(image, "JPEG", quality=25),
        lambda image: encoded(image, "WEBP", quality=30),
        lambda image: encoded(image.resize((150, 150))),
        lambda image: encoded(image.point(lambda level: min(255, int(level * 1.2) + 8))),
    ],
    ids=["poor JPEG", "poor WebP", "scaled", "brightened"],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_picture_saved_again_stays_near(seed: int, again) -> None:
    image = picture(seed, 96, 96)
    assert bits_apart(hash_of(encoded(image)), hash_of(again(image))) <= NEAR_BITS


def test_bundled_pictures_are_no_near_doubles_of_each_other() -> None:
    known = Lookalikes()
    for path in sorted(Path("datasets/evaluation/images").glob("*.png")):
        found = difference_hash(np.asarray(Image.open(path).convert("RGB")))
        assert found is not None
        assert known.nearest(found) is None
        known.remember(path.name, found)


def test_the_nearest_is_found_among_many_and_the_first_of_equals() -> None:
    known = Lookalikes()
    for number in range(1000):
        known.remember(f"{number}", number << 32)
    assert known.nearest((700 << 32) | 0b11) == ("700", 2)
    known.remember("again", 700 << 32)
    assert known.nearest(700 << 32) == ("700", 0)
    assert known.nearest(0xFFFF_FFFF) is None
