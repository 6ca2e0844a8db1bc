"""What a file is by its first bytes, for telling a person what was offered in place of a picture."""

SIGNATURE_BYTES = 64

_SIGNATURES = (
    (b"GIF87a", "a GIF"),
    (b"GIF89a", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"8BPS", "a Photoshop file"),
    (b"%!PS", "a PostScript file"),
    (b"%PDF", "a PDF"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"<svg", "an SVG"),
    (b"<?xml", "an XML file"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"version https://git-lfs", "a Git LFS pointer without its content"),
)
# ISO media files name their brand after the box's size and the word ftyp (ISO/IEC 14496-12, 4.3).
_BRANDS = {b"heic": "a HEIC", b"heix": "a HEIC", b"mif1": "a HEIF", b"avif": "an AVIF", b"avis": "an AVIF"}


def format_of(content: bytes) -> str | None:
    """Return a short name of a file's format, as its first bytes announce it; None for an unknown one."""
    if known := begins_like(content):
        return known.upper()
    return kind_of(content).partition(" ")[2] or None


def begins_like(content: bytes) -> str:
    """Return which of the formats that are read a file's first bytes announce; empty for none of them."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    return "WebP" if content.startswith(b"RIFF") and content[8:12] == b"WEBP" else ""


def kind_of(content: bytes) -> str:
    """Return what a file that is no PNG, JPEG or WebP seems to be, such as "a GIF"; empty when unknown."""
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "a film")
    start = content[:SIGNATURE_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((kind for mark, kind in _SIGNATURES if start.startswith(mark.lower())), "")
