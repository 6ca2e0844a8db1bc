"""Hostile and odd picture files."""

import zlib
from collections.abc import Callable

from PIL import Image, ImageCms

from benchmarks.hostile.case import Case
from benchmarks.hostile.folder import SIDE, Folder, encoded, picture, png

X = "x.png"
FOURTH = picture(7)
GREY_16 = Image.new("I;16", (SIDE, SIDE), 40_000)
FRAMES = [picture(seed) for seed in (20, 21, 22)]
NOT_ONE = "not a PNG, JPEG or WebP file"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _cut(kind: str, share: float) -> bytes:
    content = encoded(FOURTH, kind)
    return content[: int(len(content) * share)]


def _damaged_checksum() -> bytes:
    content = bytearray(encoded(FOURTH))
    content[content.index(b"IDAT") + 6] ^= 0xFF
    return bytes(content)


def _swelling_comment() -> bytes:
    rows = (b"\0" + b"\x80" * SIDE) * SIDE
    return png(SIDE, SIDE, 8, 0, rows, (b"zTXt", b"Comment\0\0" + zlib.compress(b" " * 9_000_000)))


def _animated(kind: str) -> bytes:
    return encoded(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:])


def _turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(FOURTH, "JPEG", exif=exif)


def _see_through() -> Image.Image:
    image = FOURTH.convert("RGBA")
    image.putalpha(90)
    return image


def _palette_with_hole() -> bytes:
    image = FOURTH.convert("P")
    return encoded(image, transparency=image.getpixel((5, 5)))


def _put(content: bytes, name: str = X) -> Callable[[Folder], None]:
    return lambda folder: folder.put(name, content)


def _same_pixels(folder: Folder) -> None:
    folder.put(X, encoded(picture(0), compress_level=1))


def _near_double(folder: Folder) -> None:
    folder.put("x.jpg", encoded(picture(0, 96, 96), "JPEG", quality=40))


UNUSABLE = (
    Case("a text with the name of a picture", _put(b"a duck"), "rejected", NOT_ONE),
    Case("an empty file", _put(b""), "rejected", "the file is empty"),
    Case("a single byte", _put(b"\x89"), "rejected", NOT_ONE),
    Case(
        "the signature of a PNG and nothing more", _put(b"\x89PNG\r\n\x1a\n"), "rejected", "begins like a PNG"
    ),
    Case("a truncated PNG", _put(_cut("PNG", 0.6)), "rejected", "cannot be decoded"),
    Case("a truncated JPEG", _put(_cut("JPEG", 0.8), "x.jpg"), "rejected", "cannot be decoded", "x.jpg"),
    Case("a truncated WebP", _put(_cut("WEBP", 0.6), "x.webp"), "rejected", "cannot be decoded", "x.webp"),
    Case("a PNG with a damaged checksum", _put(_damaged_checksum()), "rejected", "cannot be decoded"),
    Case("a PNG of no width", _put(png(0, SIDE, 8, 2, b"")), "rejected", "begins like a PNG"),
    Case(
        "a PNG whose comment unpacks to 9 megabytes",
        _put(_swelling_comment()),
        "rejected",
        "cannot be decoded",
    ),
    Case("a GIF named .png", _put(encoded(FOURTH, "GIF")), "rejected", "it seems to be a GIF"),
    Case("a GIF named .gif", _put(encoded(FOURTH, "GIF"), "x.gif"), "rejected", "a GIF", "x.gif"),
    Case("a BMP", _put(encoded(FOURTH, "BMP"), "x.bmp"), "rejected", "a BMP", "x.bmp"),
    Case("a TIFF", _put(encoded(FOURTH, "TIFF"), "x.tif"), "rejected", "a TIFF", "x.tif"),
    Case("a PDF named .png", _put(b"%PDF-1.7\n"), "rejected", "a PDF"),
    Case("a PostScript program named .png", _put(b"%!PS-Adobe-3.0 EPSF-3.0\n"), "rejected", "PostScript"),
    Case("an SVG named .png", _put(b'<svg xmlns="http://www.w3.org/2000/svg"/>'), "rejected", "an SVG"),
    Case(
        "a web page saved as .jpg",
        _put(b"<!DOCTYPE html><title>404</title>", "x.jpg"),
        "rejected",
        "a web page",
        "x.jpg",
    ),
    Case("a HEIC of a phone", _put(b"\0\0\0\x18ftypheic\0\0\0\0", "x.heic"), "rejected", "a HEIC", "x.heic"),
    Case("an AVIF named .jpg", _put(b"\0\0\0\x1cftypavif", "x.jpg"), "rejected", "an AVIF", "x.jpg"),
    Case("a film named .jpg", _put(b"\0\0\0\x18ftypmp42", "x.jpg"), "rejected", "a film", "x.jpg"),
    Case("a ZIP named .png", _put(b"PK\x03\x04\x14\0"), "rejected", "a ZIP archive"),
    Case(
        "a Git LFS pointer",
        _put(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "rejected",
        "a Git LFS pointer",
    ),
    Case("an animated PNG", _put(_animated("PNG")), "rejected", "animated"),
    Case("an animated WebP", _put(_animated("WEBP"), "x.webp"), "rejected", "animated", "x.webp"),
    Case(
        "a bomb: 120 megapixels in a few bytes",
        _put(png(12_000, 10_000, 1, 0, b"")),
        "rejected",
        "12000 x 10000 pixels; the most is",
    ),
    Case(
        "a bomb: 900 megapixels in a few bytes",
        _put(png(30_000, 30_000, 1, 0, b"")),
        "rejected",
        "far too many pixels",
    ),
    Case("a tracking pixel", _put(encoded(picture(7, 1, 1))), "rejected", "1 x 1 pixels"),
    Case("a side of 31 pixels", _put(encoded(picture(7, 31, 64))), "rejected", "the shortest side allowed"),
    Case("a banner", _put(encoded(picture(7, 200, 40))), "rejected", "3 times the short one"),
    Case(
        "a colour profile that is none",
        _put(encoded(FOURTH, icc_profile=b"nonsense")),
        "rejected",
        "ICC profile cannot be used",
    ),
    Case(
        "16-bit grey with a transparent level",
        _put(encoded(GREY_16, transparency=500)),
        "rejected",
        "16-bit grey with a transparent colour",
    ),
    Case("the same file under two names", _put(encoded(picture(0))), "rejected", "the same bytes as a.png"),
    Case("the same pixels in another file", _same_pixels, "rejected", "the same pixels as a.png"),
)

USABLE = (
    Case("a near double", _near_double, "accepted", "looks nearly like a.png", "x.jpg"),
    Case(
        "a WebP named .jpg",
        _put(encoded(FOURTH, "WEBP"), "x.jpg"),
        "accepted",
        "its name ends in .jpg, but it is a WEBP",
        "x.jpg",
    ),
    Case("a name without a suffix", _put(encoded(FOURTH), "x"), "accepted", "ends in no suffix", "x"),
    Case("CMYK", _put(encoded(FOURTH.convert("CMYK"), "JPEG"), "x.jpg"), "accepted", "CMYK", "x.jpg"),
    Case("16-bit grey", _put(encoded(GREY_16)), "accepted", "16-bit grey scaled by 1/257"),
    Case(
        "16-bit colour",
        _put(png(SIDE, SIDE, 16, 2, (b"\0" + bytes(range(6)) * SIDE) * SIDE)),
        "accepted",
        "16-bit channels reduced to 8 bits",
    ),
    Case("transparency", _put(encoded(_see_through())), "accepted", "transparency put on rgb(255, 255, 255)"),
    Case("a palette with a transparent entry", _put(_palette_with_hole()), "accepted", "transparency put on"),
    Case("one bit a pixel", _put(encoded(FOURTH.convert("1"))), "accepted", ""),
    Case("a photograph on its side", _put(_turned(6), "x.jpg"), "accepted", "turned upright", "x.jpg"),
    Case("an orientation that there is not", _put(_turned(99), "x.jpg"), "accepted", "", "x.jpg"),
    Case(
        "a colour profile",
        _put(encoded(FOURTH, icc_profile=SRGB)),
        "accepted",
        "ICC profile converted to sRGB",
    ),
    Case(
        "a phone's JPEG with a second picture behind",
        _put(encoded(FOURTH, "MPO", save_all=True, append_images=FRAMES[:1]), "x.jpg"),
        "accepted",
        "",
        "x.jpg",
    ),
    Case("a PNG with bytes behind its end", _put(encoded(FOURTH) + b"<script>" * 9), "accepted", ""),
)
