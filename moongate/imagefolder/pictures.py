"""From the bytes of a picture file to square 8-bit sRGB pixels, by declared rules and with a note of each.

The order is: header checks, full decoding, EXIF orientation, centre crop to a square, 16-bit to 8-bit, ICC to
sRGB, transparency onto the background, resize. Only PNG, JPEG and WebP decoders are ever started.
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

from moongate.imagefolder.signatures import begins_like, kind_of

FORMATS = ("PNG", "JPEG", "WEBP")
# What `develop` may take for each pixel of a picture, above what the process holds already: the decoder's
# buffers and the two or three copies that turning, profiles and transparency need. Measured by a test.
MEMORY_PER_PIXEL_BYTES = 20
# What ingest may take beside its largest picture: for each file a verdict and what is remembered of its
# looks, and for the set the pictures that are written at once.
MEMORY_PER_FILE_BYTES = 4096
MEMORY_PER_SET_BYTES = 64 * 2**20

_SAVE_AS_PICTURE = "save it as PNG, JPEG or WebP"
_REPAIR = "copy the file again from where it came from, or open it and save it anew"
_OTHER_SIZE = "crop or scale it to within the limits, or change ingest.min_side, max_aspect or max_pixels"
_PLAIN_COLOUR = "save it as 8-bit sRGB"

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
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_COLOUR_TYPES = (2, 4, 6)
# Float64 rows of a large picture at once would take as much memory as all of the rest.
_ROWS_AT_ONCE = 64


class PictureRules(BaseModel):
    """How pictures are checked and brought to one form. Lengths in pixels, colours in 0..255."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int
    max_pixels: int
    min_side: int
    max_aspect: float
    background: tuple[int, int, int]


class PictureFaultError(Exception):
    """A picture that cannot be accepted: the reason, and what to do next."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


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
    if not content:
        raise PictureFaultError("the file is empty", _REPAIR)
    with _opened(content) as image:
        return Header(image.format or "", image.mode, image.width, image.height)


def develop(content: bytes, rules: PictureRules) -> Developed:
    """Return the picture in its final form.

    It takes at most `MEMORY_PER_PIXEL_BYTES` for each pixel while it works.

    Raises:
        PictureFaultError: when the picture breaks a rule or cannot be decoded completely.
        MemoryError: when there is less memory than that.
    """
    notes = _deep_colour_notes(content)
    square = _decode_square(content, rules, notes)
    profile = square.info.get("icc_profile")
    colours, alpha = _colours_and_alpha(square, notes)
    del square  # each copy of a large picture counts
    flat = _flatten(_to_srgb(colours, profile, notes), alpha, rules.background, notes)
    final = _resize(flat, rules.resolution, notes)
    return Developed(np.asarray(final, dtype=np.uint8), tuple(notes))


def _decode_square(content: bytes, rules: PictureRules, notes: list[str]) -> Image.Image:
    """Decode the whole picture, turn it upright and cut out its centre; no copy is made without need."""
    with _opened(content) as image:
        _check_header(image, rules)
        image.load()
        if image.getexif().get(ExifTags.Base.Orientation) not in range(2, 9):
            return _crop(image, notes)
        notes.append("turned upright by its EXIF orientation")
        return _crop(ImageOps.exif_transpose(image), notes)


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
        raise _not_a_picture(content) from None
    except Image.DecompressionBombError as error:
        # Pillow refuses these while it opens them, before our own cap can be asked.
        raise PictureFaultError(f"far too many pixels: {error}", _OTHER_SIZE) from error
    except _DECODER_ERRORS as error:
        # Pillow's decoders say no more than this when they get no memory, which is no fault of the picture.
        if "out of memory" in str(error):
            raise MemoryError(str(error)) from error
        raise PictureFaultError(f"cannot be decoded: {error}", _REPAIR) from error


def _not_a_picture(content: bytes) -> PictureFaultError:
    if begun := begins_like(content):
        return PictureFaultError(
            f"cannot be decoded: it begins like a {begun} and is damaged or cut off", _REPAIR
        )
    kind = kind_of(content)
    seems = f"; it seems to be {kind}" if kind else ""
    return PictureFaultError(f"not a PNG, JPEG or WebP file, whatever its name says{seems}", _SAVE_AS_PICTURE)


def _check_header(image: Image.Image, rules: PictureRules) -> None:
    width, height = image.size
    # MPO is a JPEG with further pictures behind the first, as phones write it; the first is the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise PictureFaultError("animated; a still picture is needed", "save one frame of it as PNG")
    if width * height > rules.max_pixels:
        raise PictureFaultError(
            f"{width} x {height} pixels; the most is {rules.max_pixels} in all", _OTHER_SIZE
        )
    if min(width, height) < rules.min_side:
        raise PictureFaultError(
            f"{width} x {height} pixels; the shortest side allowed is {rules.min_side}", _OTHER_SIZE
        )
    if max(width, height) > rules.max_aspect * min(width, height):
        raise PictureFaultError(
            f"{width} x {height} pixels; the long side may be {rules.max_aspect:g} times the short one",
            _OTHER_SIZE,
        )


def _deep_colour_notes(content: bytes) -> list[str]:
    """Note a loss that Pillow does not mention: it reads 16-bit colour PNGs at 8 bits."""
    is_png = content.startswith(_PNG_SIGNATURE)
    if is_png and len(content) > 25 and content[24] == 16 and content[25] in _PNG_COLOUR_TYPES:
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
        raise PictureFaultError(f"colour mode {image.mode} is not supported", _PLAIN_COLOUR)
    return image, None


def _eight_bit(image: Image.Image, notes: list[str]) -> Image.Image:
    """Scale 16-bit grey to 8 bits: 65535 / 255 = 257, so white stays white and black stays black."""
    if "transparency" in image.info:
        raise PictureFaultError("16-bit grey with a transparent colour", _PLAIN_COLOUR)
    notes.append("16-bit grey scaled by 1/257")
    values = np.asarray(image)
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        rows = values[start : start + _ROWS_AT_ONCE].astype(np.float64) / 257.0
        scaled[start : start + _ROWS_AT_ONCE] = np.rint(rows).clip(0, 255)
    return Image.fromarray(scaled)


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
        raise PictureFaultError(f"its ICC profile cannot be used ({error})", _PLAIN_COLOUR) from error
    if converted is None:
        raise PictureFaultError("its ICC profile cannot be used", _PLAIN_COLOUR)
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


def _crop(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return the square in the middle."""
    width, height = image.size
    if width == height:
        return image
    side = min(width, height)
    notes.append(f"centre {side} x {side} cropped from {width} x {height}")
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _resize(image: Image.Image, resolution: int, notes: list[str]) -> Image.Image:
    """Resize a square picture: Lanczos to shrink, bicubic to enlarge."""
    side = image.width
    if side > resolution:
        notes.append(f"shrunk from {side} to {resolution} by Lanczos")
        return image.resize((resolution, resolution), Image.Resampling.LANCZOS)
    if side < resolution:
        notes.append(f"enlarged from {side} to {resolution} by bicubic")
        return image.resize((resolution, resolution), Image.Resampling.BICUBIC)
    return image
