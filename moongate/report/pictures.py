"""Pictures for the page: data URIs that keep a small picture exact and a large one light."""

import base64
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

PIXEL_ART_SIDE = 128
"""Up to this side (px) a picture is embedded byte for byte and enlarged with hard pixel edges."""

THUMBNAIL_SIDE = 192
"""Longest side (px) of a larger picture's thumbnail: 300 of them keep the page under 5 MB."""

THUMBNAIL_QUALITY = 82
"""Of JPEG, 0 to 95."""


@dataclass(frozen=True)
class Thumbnail:
    """An embedded picture: `src` is a data URI, `alt` describes it, `pixelated` asks for hard pixel edges."""

    src: str
    alt: str
    width: int
    height: int
    pixelated: bool


def thumbnail(png: bytes, alt: str) -> Thumbnail:
    """Embed `png` (any size) for the page.

    Raises PIL.UnidentifiedImageError when the bytes are no picture.
    """
    with Image.open(BytesIO(png)) as picture:
        width, height = picture.size
        if max(width, height) <= PIXEL_ART_SIDE:
            return Thumbnail(_data_uri(png, "image/png"), alt, width, height, pixelated=True)
        small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    small.save(buffer, format="JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    return Thumbnail(
        _data_uri(buffer.getvalue(), "image/jpeg"), alt, small.width, small.height, pixelated=False
    )


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
