import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from moongate.imagefolder.pictures import PictureFaultError, PictureRules, develop, read_header

RULES = PictureRules(
    resolution=64, max_pixels=100_000, min_side=32, max_aspect=3.0, background=(255, 255, 255)
)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def plain(mode: str, colour: object, size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new(mode, size, colour)


def noise(height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(5)).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png_chunks(width: int, height: int, depth: int, colour_type: int, rows: bytes) -> bytes:
    """Write a PNG by hand, for forms that Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def only_colour(content: bytes, rules: PictureRules = RULES) -> tuple[int, ...]:
    pixels = develop(content, rules).pixels
    assert (pixels == pixels[0, 0]).all()
    return tuple(int(channel) for channel in pixels[0, 0])


@pytest.mark.parametrize("options", [{"kind": "PNG"}, {"kind": "WEBP", "lossless": True}])
def test_a_picture_already_in_form_is_not_touched(options):
    developed = develop(encoded(Image.fromarray(noise()), **options), RULES)
    np.testing.assert_array_equal(developed.pixels, noise())
    assert developed.treatments == ()


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (plain("1", 1), (255, 255, 255)),
        (plain("L", 77), (77, 77, 77)),
        (plain("RGB", (1, 2, 3)), (1, 2, 3)),
        (plain("RGBA", (255, 0, 0, 0)), (255, 255, 255)),
        (plain("RGBA", (255, 0, 0, 255)), (255, 0, 0)),
        (plain("RGBA", (0, 0, 0, 51)), (204, 204, 204)),
        (plain("LA", (0, 0)), (255, 255, 255)),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
def test_every_mode_becomes_what_a_viewer_shows_on_the_background(image, colour):
    assert only_colour(encoded(image)) == colour


def test_transparency_takes_the_declared_background():
    rules = RULES.model_copy(update={"background": (10, 20, 30)})
    assert only_colour(encoded(plain("RGBA", (255, 0, 0, 0))), rules) == (10, 20, 30)


def test_a_transparent_palette_entry_shows_the_background():
    image = plain("P", 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    assert only_colour(encoded(image)) == (255, 0, 0)
    assert only_colour(encoded(image, transparency=0)) == (255, 255, 255)


def test_a_transparent_colour_shows_the_background():
    assert only_colour(encoded(plain("RGB", (9, 9, 9)), transparency=(9, 9, 9))) == (255, 255, 255)
    assert only_colour(encoded(plain("L", 9), transparency=9)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    developed = develop(encoded(Image.fromarray(ramp)), RULES)
    np.testing.assert_allclose(developed.pixels[..., 0], ramp / 257.0, atol=0.5)
    assert "16-bit grey scaled by 1/257" in developed.treatments


def test_sixteen_bit_colour_is_read_and_its_loss_is_noted():
    rows = b"".join(b"\0" + struct.pack(">HHH", 65535, 257 * 100, 0) * 64 for _ in range(64))
    content = png_chunks(64, 64, 16, 2, rows)
    assert only_colour(content) == (255, 100, 0)
    assert develop(content, RULES).treatments == ("16-bit channels reduced to 8 bits",)


def test_an_icc_profile_is_applied():
    # Swapping the red and green primaries is a profile whose effect nobody can overlook.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, green = srgb.index(b"rXYZ", 128), srgb.index(b"gXYZ", 128)
    swapped = bytearray(srgb)
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    image = plain("RGB", (255, 0, 0))
    assert only_colour(encoded(image, icc_profile=srgb)) == pytest.approx((255, 0, 0), abs=1)
    developed = develop(encoded(image, icc_profile=bytes(swapped)), RULES)
    assert developed.pixels[0, 0] == pytest.approx((0, 255, 0), abs=1)
    assert developed.treatments == ("ICC profile converted to sRGB",)


def test_a_broken_icc_profile_is_refused():
    with pytest.raises(PictureFaultError, match="ICC profile cannot be used"):
        develop(encoded(plain("RGB", 0), icc_profile=b"nonsense"), RULES)


def test_cmyk_is_converted_and_noted():
    developed = develop(encoded(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=100), RULES)
    assert developed.pixels[0, 0] == pytest.approx((255, 0, 0), abs=3)
    assert developed.treatments == ("CMYK without a profile converted by the plain formula",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_shows_the_picture_upright(orientation):
    """Which edge of the scene the first stored row and column are, by EXIF 2.32, tag 274."""
    stored = {
        1: lambda upright: upright,
        2: np.fliplr,
        3: lambda upright: np.rot90(upright, 2),
        4: np.flipud,
        5: lambda upright: upright.transpose(1, 0, 2),
        6: lambda upright: np.rot90(upright, 1),
        7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
        8: lambda upright: np.rot90(upright, -1),
    }[orientation](noise())
    exif = Image.Exif()
    exif[274] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    np.testing.assert_array_equal(develop(content, RULES).pixels, noise())


def test_the_centre_square_is_kept():
    pixels = noise(64, 100)
    developed = develop(encoded(Image.fromarray(pixels)), RULES)
    np.testing.assert_array_equal(developed.pixels, pixels[:, 18:82])


@pytest.mark.parametrize("side", [48, 160])
def test_resizing_keeps_the_mean_and_the_declared_size(side):
    smooth = np.tile(np.linspace(40, 200, side).astype(np.uint8)[:, None, None], (1, side, 3))
    developed = develop(encoded(Image.fromarray(smooth)), RULES)
    assert developed.pixels.shape == (64, 64, 3)
    assert developed.pixels.mean() == pytest.approx(smooth.mean(), abs=1.0)


def test_shrinking_does_not_alias():
    checks = np.indices((256, 256)).sum(0) % 2 * 255
    image = Image.fromarray(checks.astype(np.uint8))
    assert np.abs(develop(encoded(image), RULES).pixels[4:-4, 4:-4].astype(int) - 127).max() <= 2


def test_the_true_format_is_recorded_whatever_the_name():
    header = read_header(encoded(plain("L", 0, (40, 50)), "WEBP"))
    assert (header.format, header.width, header.height) == ("WEBP", 40, 50)


def test_an_empty_file_is_called_empty():
    with pytest.raises(PictureFaultError, match="the file is empty"):
        read_header(b"")


@pytest.mark.parametrize("content", [b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_other_files_start_no_decoder(content):
    with pytest.raises(PictureFaultError, match="not a PNG, JPEG or WebP file"):
        read_header(content)


def test_a_gif_named_otherwise_is_still_a_gif():
    with pytest.raises(PictureFaultError, match="not a PNG, JPEG or WebP"):
        read_header(encoded(plain("L", 0), "GIF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_truncated_file_is_refused(kind, share):
    content = encoded(Image.fromarray(noise()), kind)
    with pytest.raises(PictureFaultError, match=r"cannot be decoded|not a PNG, JPEG or WebP"):
        develop(content[: int(len(content) * share)], RULES)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_whatever_damage_a_file_has_it_is_a_picture_or_a_fault(kind):
    content = encoded(Image.fromarray(noise()), kind)
    draw = np.random.Generator(np.random.PCG64(11))
    faults = 0
    for _ in range(150):
        damaged = bytearray(content)
        for position in draw.integers(0, len(content), 4):
            damaged[position] = int(draw.integers(0, 256))
        try:
            assert develop(bytes(damaged), RULES).pixels.shape == (64, 64, 3)
        except PictureFaultError:
            faults += 1
    assert faults > 0


@pytest.mark.parametrize(
    ("size", "reason"),
    [((400, 300), "the most is 100000"), ((31, 64), "shortest side"), ((40, 121), "3 times the short one")],
)
def test_size_rules_are_checked_from_the_header(size, reason):
    with pytest.raises(PictureFaultError, match=reason):
        develop(encoded(plain("L", 0, size)), RULES)


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    rules = RULES.model_copy(update={"max_pixels": 64_000_000})
    with pytest.raises(PictureFaultError, match=r"pixels; the most is|exceeds limit"):
        develop(png_chunks(30_000, 30_000, 1, 0, b""), rules)
    with pytest.raises(PictureFaultError, match="12000 x 10000"):
        develop(png_chunks(12_000, 10_000, 1, 0, b""), rules)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind):
    frames = [plain("RGB", (value, 0, 0)) for value in (0, 100, 200)]
    with pytest.raises(PictureFaultError, match="animated"):
        develop(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), RULES)


def test_a_phone_jpeg_with_a_second_picture_behind_is_a_photograph():
    first, second = plain("RGB", (200, 0, 0)), plain("RGB", (0, 0, 200))
    content = encoded(first, "MPO", save_all=True, append_images=[second])
    assert develop(content, RULES).pixels[0, 0] == pytest.approx((200, 0, 0), abs=3)


def test_a_transparent_sixteen_bit_colour_is_refused():
    ramp = Image.fromarray(np.full((64, 64), 500, np.uint16))
    with pytest.raises(PictureFaultError, match="16-bit grey with a transparent colour"):
        develop(encoded(ramp, transparency=500), RULES)
