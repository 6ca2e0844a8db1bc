import json
from pathlib import Path

import numpy as np
import pytest
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from moongate.errors import InputError, ModelError
from moongate.models.preprocessing import Preprocessing, read_preprocessing

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.integers(0, 256, size=(height, width, 3), dtype=np.uint8)


def write(folder: Path, **config: object) -> Path:
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": MEAN, "image_std": STD, **config}), encoding="utf-8"
    )
    return folder


@pytest.mark.parametrize(("height", "width"), [(64, 64), (80, 50), (37, 91), (20, 20)])
def test_a_picture_is_prepared_as_the_pillow_clip_processor_does(height: int, width: int) -> None:
    pixels = picture(height, width)
    reference = CLIPImageProcessorPil(
        size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}, image_mean=MEAN, image_std=STD
    )(pixels, return_tensors="np")["pixel_values"][0]
    found = Preprocessing(40, 32, MEAN, STD)(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference, atol=1e-6)


@pytest.mark.parametrize(
    "sizes",
    [
        {"size": 224},
        {"size": {"height": 224, "width": 224}},
        {"size": {"shortest_edge": 224}},
        {"size": 224, "do_center_crop": True, "crop_size": 224},
        {"size": {"shortest_edge": 224}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}},
    ],
)
def test_every_spelling_of_a_size_is_read(tmp_path: Path, sizes: dict[str, object]) -> None:
    assert read_preprocessing(write(tmp_path, **sizes)) == Preprocessing(224, 224, MEAN, STD)


def test_the_name_tells_resize_crop_and_filter(tmp_path: Path) -> None:
    folder = write(tmp_path, size=256, do_center_crop=True, crop_size=224)
    assert read_preprocessing(folder).name == "resize256crop224.pil-bicubic"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"size": {"height": 224, "width": 200}},
        {"size": {"longest_edge": 224}},
        {"size": 224, "do_center_crop": True, "crop_size": 256},
        {"size": 224, "do_normalize": False},
        {"size": 224, "image_std": [0.0, 1.0, 1.0]},
        {"size": 224, "image_mean": [0.5]},
    ],
)
def test_a_preprocessing_that_cannot_be_followed_is_refused(
    tmp_path: Path, config: dict[str, object]
) -> None:
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        read_preprocessing(write(tmp_path, **config))


def test_a_folder_without_preprocessing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="FileNotFoundError"):
        read_preprocessing(tmp_path)


@pytest.mark.parametrize("pixels", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_only_eight_bit_rgb_is_prepared(pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match="uint8"):
        Preprocessing(8, 8, MEAN, STD)(pixels)
