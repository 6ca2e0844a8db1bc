"""From the bytes of a picture file to square 8-bit sRGB pixels, by declared rules and with a note of each.

The order is: header checks, full decoding, EXIF orientation, 16-bit to 8-bit, ICC to sRGB, transparency onto
the background, centre crop to a square, resize. Only PNG, JPEG and WebP decoders are ever started.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict

FORMATS = ("PNG", "JPEG", "WEBP")

# What Pillow's decoders raise on damaged or hostile files, by reading and by feeding them such files.
_DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_COLOUR_TYPES = (2, 4, 6)


class PictureRules(BaseModel):
    """How pictures are checked and brought to one form. Lengths in pixels, colours in 0..255."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int
    max_pixels: int
    min_side: int
    max_aspect: float
    background: tuple[int, int, int]


class PictureFaultError(Exception):
    """A picture that cannot be accepted; the message is the reason."""


@dataclass(frozen=True)
class Header:
    """What a file's header says: the true format, Pillow's mode, and the size in pixels as stored."""

    format: str
    mode: str
    width: int
    height: int


@dataclass(frozen=True)
class Developed:
    """A picture in its final form: sRGB (resolution, resolution, 3) uint8, and what was done to it."""

    pixels: np.ndarray
    treatments: tuple[str, ...]


def read_header(content: bytes) -> Header:
    """Return what the header says, decoding no pixel.

    Raises:
        PictureFaultError: when the bytes are not a PNG, JPEG or WebP file.
    """
    with _opened(content) as image:
        return Header(image.format or "", image.mode, image.width, image.height)


def develop(content: bytes, rules: PictureRules) -> Developed:
    """Return the picture in its final form.

    Raises:
        PictureFaultError: when the picture breaks a rule or cannot be decoded completely.
    """
    notes = _deep_colour_notes(content)
    upright = _decode_upright(content, rules, notes)
    profile = upright.info.get("icc_profile")
    colours, alpha = _colours_and_alpha(upright, notes)
    flat = _flatten(_to_srgb(colours, profile, notes), alpha, rules.background, notes)
    final = _to_square(flat, rules.resolution, notes)
    return Developed(np.asarray(final, dtype=np.uint8), tuple(notes))


def _decode_upright(content: bytes, rules: PictureRules, notes: list[str]) -> Image.Image:
    with _opened(content) as image:
        _check_header(image, rules)
        image.load()
        if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            notes.append("turned upright by its EXIF orientation")
        return ImageOps.exif_transpose(image)


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open a picture; whatever its decoder raises becomes a fault of the picture."""
    try:
        with warnings.catch_warnings():
            # Size is judged by our own cap, from the header, before any pixel is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content), formats=FORMATS)
        with image:
            yield image
    except UnidentifiedImageError:
        raise PictureFaultError("not a PNG, JPEG or WebP file, whatever its name says") from None
    except _DECODER_ERRORS as error:
        raise PictureFaultError(f"cannot be decoded: {error}") from error


def _check_header(image: Image.Image, rules: PictureRules) -> None:
    width, height = image.size
    # MPO is a JPEG with further pictures behind the first, as phones write it; the first is the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise PictureFaultError("animated; a still picture is needed")
    if width * height > rules.max_pixels:
        raise PictureFaultError(f"{width} x {height} pixels; the most is {rules.max_pixels} in all")
    if min(width, height) < rules.min_side:
        raise PictureFaultError(f"{width} x {height} pixels; the shortest side allowed is {rules.min_side}")
    if max(width, height) > rules.max_aspect * min(width, height):
        raise PictureFaultError(
            f"{width} x {height} pixels; the long side may be {rules.max_aspect:g} times the short one"
        )


def _deep_colour_notes(content: bytes) -> list[str]:
    """Note a loss that Pillow does not mention: it reads 16-bit colour PNGs at 8 bits."""
    is_png = content.startswith(_PNG_SIGNATURE)
    if is_png and content[24] == 16 and content[25] in _PNG_COLOUR_TYPES:
        return ["16-bit channels reduced to 8 bits"]
    return []


def _colours_and_alpha(image: Image.Image, notes: list[str]) -> tuple[Image.Image, Image.Image | None]:
    """Split a picture into its colours (mode L, RGB or CMYK) and its transparency, if it has any."""
    if image.mode.startswith("I"):
        return _eight_bit(image, notes), None
    if image.mode == "1":
        image = image.convert("L")
    if image.mode == "PA" or "transparency" in image.info:
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    elif image.mode == "P":
        image = image.convert("RGB")
    if image.mode in ("LA", "RGBA"):
        return image.convert(image.mode.removesuffix("A")), image.getchannel("A")
    if image.mode not in ("L", "RGB", "CMYK"):
        raise PictureFaultError(f"colour mode {image.mode} is not supported; save it as 8-bit RGB")
    return image, None


def _eight_bit(image: Image.Image, notes: list[str]) -> Image.Image:
    """Scale 16-bit grey to 8 bits: 65535 / 255 = 257, so white stays white and black stays black."""
    if "transparency" in image.info:
        raise PictureFaultError("16-bit grey with a transparent colour; save it as 8-bit RGBA")
    notes.append("16-bit grey scaled by 1/257")
    values = np.asarray(image).astype(np.float64) / 257.0
    return Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    if profile:
        notes.append("ICC profile converted to sRGB")
        return _apply_profile(image, profile)
    if image.mode == "CMYK":
        notes.append("CMYK without a profile converted by the plain formula")
    return image.convert("RGB")


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _srgb_profile(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise PictureFaultError(f"its ICC profile cannot be used ({error}); save it as sRGB") from error
    if converted is None:
        raise PictureFaultError("its ICC profile cannot be used; save it as sRGB")
    return converted


@cache
def _srgb_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _flatten(
    image: Image.Image, alpha: Image.Image | None, background: tuple[int, int, int], notes: list[str]
) -> Image.Image:
    """Put transparent pixels onto the background: dropping alpha would show colours that were hidden."""
    if alpha is None or np.asarray(alpha).min() == 255:
        return image
    notes.append("transparency put on rgb({}, {}, {})".format(*background))
    return Image.composite(image, Image.new("RGB", image.size, background), alpha)


def _to_square(image: Image.Image, resolution: int, notes: list[str]) -> Image.Image:
    """Crop the centre square and resize it: Lanczos to shrink, bicubic to enlarge."""
    width, height = image.size
    side = min(width, height)
    if width != height:
        notes.append(f"centre {side} x {side} cropped from {width} x {height}")
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if side > resolution:
        notes.append(f"shrunk from {side} to {resolution} by Lanczos")
        return image.resize((resolution, resolution), Image.Resampling.LANCZOS)
    if side < resolution:
        notes.append(f"enlarged from {side} to {resolution} by bicubic")
        return image.resize((resolution, resolution), Image.Resampling.BICUBIC)
    return image
