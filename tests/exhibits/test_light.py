import numpy as np
from PIL import Image

from moongate.exhibits.light import MAX_URI_BYTES, light_picture


def test_the_largest_picture_of_noise_keeps_below_the_bound() -> None:
    pixels = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    shown = light_picture("noise", "", Image.fromarray(pixels))
    assert 0.5 * MAX_URI_BYTES < len(shown.data_uri) <= MAX_URI_BYTES


def test_a_small_picture_keeps_its_size() -> None:
    shown = light_picture("plain", "", Image.new("RGBA", (300, 200), (10, 20, 30, 255)))
    assert shown.data_uri.startswith("data:image/jpeg;base64,")
    assert len(shown.content) < 10_000
