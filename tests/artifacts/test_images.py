import hashlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel

from moongate.artifacts.images import Picture, as_dataset, png_from_pixels, read_images, write_images
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.store import Store
from moongate.errors import StoreError


class NoSettings(BaseModel):
    pass


def picture(number: int) -> Picture:
    pixels = np.random.Generator(np.random.PCG64(number)).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Picture.from_pixels(
        pixels, image_id=f"p{number}", file_name=f"{number}.png", text=f"duck {number}"
    )


def test_pictures_come_back_as_they_were_written_and_in_order(tmp_path):
    pictures = tuple(picture(number) for number in (3, 1, 2))
    write_images(tmp_path, pictures)
    assert read_images(tmp_path) == pictures


def test_a_picture_keeps_every_pixel_and_knows_its_digest():
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    made = Picture.from_pixels(pixels, image_id="a", file_name="a.png", text="a duck")
    np.testing.assert_array_equal(made.pixels(), pixels)
    assert made.sha256 == hashlib.sha256(made.png).hexdigest()
    assert Image.open(BytesIO(made.png)).size == (8, 6)


def test_two_pictures_with_one_id_are_refused(tmp_path):
    with pytest.raises(StoreError, match="same image_id"):
        write_images(tmp_path, [picture(1), picture(1)])


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)]
)
def test_only_three_channel_bytes_are_pixels(pixels):
    with pytest.raises(ValueError, match="uint8"):
        png_from_pixels(pixels)


def test_an_image_set_is_handed_on_as_a_hugging_face_dataset(tmp_path):
    store = Store(tmp_path)
    recipe = Recipe("ingest", 1, NoSettings(), (), ImageSetRef)
    ref = store.obtain(recipe, lambda folder: write_images(folder, [picture(1), picture(2)])).ref
    dataset = as_dataset(ref, store)
    assert dataset["text"][:] == ["duck 1", "duck 2"]
    np.testing.assert_array_equal(np.asarray(dataset[1]["image"]), picture(2).pixels())
