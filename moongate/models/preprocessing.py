"""How a picture becomes the input of a feature extractor: one explicit path, Pillow and numpy only.

Resizers differ: the same picture through another library's bicubic filter gives other features. So the whole
path is written out here, and its name is a part of every metric's id.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moongate.errors import InputError, ModelError

PREPROCESSOR_NAME = "preprocessor_config.json"
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """Resize the shorter side with Pillow's bicubic filter, crop the centre, scale to [0, 1], standardize.

    Attributes:
        resize: length of the shorter side in pixels; the ratio of the sides is kept.
        crop: side of the square that is cut out, in pixels, at most `resize`.
        mean, std: per channel (RGB), of values in [0, 1].
    """

    resize: int
    crop: int
    mean: Triple
    std: Triple

    @property
    def name(self) -> str:
        """The part of an extractor's id that says how pictures were prepared."""
        return f"resize{self.resize}crop{self.crop}.pil-bicubic"

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepare one sRGB picture: (H, W, 3) uint8 in, (3, crop, crop) float32 out.

        Raises InputError when the array has another shape or type.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise InputError(
                f"an array of shape {pixels.shape} and type {pixels.dtype} is not a picture",
                where="feature extraction",
                why="pictures are (H, W, 3) uint8 in sRGB",
                fix="decode the picture as RGB first",
            )
        resized = np.asarray(_resized(Image.fromarray(pixels), self.resize), dtype=np.float32)
        top, left = (resized.shape[0] - self.crop) // 2, (resized.shape[1] - self.crop) // 2
        window = resized[top : top + self.crop, left : left + self.crop] / np.float32(255)
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        standardized = (window - mean) / std
        return np.ascontiguousarray(standardized.transpose(2, 0, 1))


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read `preprocessor_config.json` of a transformers folder.

    Old and new spellings of the sizes are understood: an integer, shortest_edge, or height and width. The
    filter is always bicubic, whatever the file says. Raises ModelError when the file is absent, cannot be
    read, or asks for something else than resizing, cropping and standardizing.
    """
    path = folder / PREPROCESSOR_NAME
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        resize = _side(config["size"])
        crop = _side(config["crop_size"]) if config.get("do_center_crop") else resize
        preprocessing = Preprocessing(
            resize, crop, _triple(config["image_mean"]), _triple(config["image_std"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    switched_off = [key for key in ("do_resize", "do_rescale", "do_normalize") if config.get(key) is False]
    if switched_off:
        raise _unusable(path, f"it switches off {', '.join(switched_off)}, which every extractor here does")
    if not 0 < crop <= resize or min(preprocessing.std) <= 0:
        raise _unusable(path, f"crop {crop} must fit into {resize}, and every std must be above 0")
    return preprocessing


def _resized(image: Image.Image, shorter_side: int) -> Image.Image:
    width, height = image.size
    if width <= height:
        size = (shorter_side, int(shorter_side * height / width))
    else:
        size = (int(shorter_side * width / height), shorter_side)
    return image.resize(size, Image.Resampling.BICUBIC)


def _side(size: int | Mapping[str, Any]) -> int:
    """One length from the spellings of a size; a height and a width must be equal."""
    if isinstance(size, int):
        return size
    lengths = {int(length) for length in size.values() if length is not None}
    if len(lengths) != 1 or not set(size) <= {"shortest_edge", "height", "width"}:
        raise ValueError(f"the size {dict(size)} is not one length")
    return lengths.pop()


def _triple(values: list[float]) -> Triple:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _unusable(path: Path, why: str) -> ModelError:
    return ModelError(
        "the preprocessing of a feature extractor cannot be used",
        where=str(path),
        why=why,
        fix="give a transformers folder whose preprocessor_config.json has size, image_mean and image_std",
    )
