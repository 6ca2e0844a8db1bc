"""Pictures made light: JPEG that keeps below a bound, however large the picture is."""

from io import BytesIO

from PIL import Image

from moongate.exhibits.kinds import Picture

MAX_URI_BYTES = 200_000
"""Of a picture's data URI: a server keeps it in its database, and sends it with every page that shows it."""

_MAX_JPEG_BYTES = (MAX_URI_BYTES - len("data:image/jpeg;base64,")) * 3 // 4
_QUALITIES = (88, 76, 62, 48)
_SHRINK = 0.75


def light_picture(name: str, caption: str, picture: Image.Image) -> Picture:
    """Return `picture` at the best quality, and then the largest size, that keeps below the bound."""
    small = picture.convert("RGB")
    while True:
        for quality in _QUALITIES:
            content = _jpeg(small, quality)
            if len(content) <= _MAX_JPEG_BYTES:
                return Picture(name, caption, content, "image/jpeg")
        size = (max(1, round(small.width * _SHRINK)), max(1, round(small.height * _SHRINK)))
        small = small.resize(size, Image.Resampling.LANCZOS)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format="JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
