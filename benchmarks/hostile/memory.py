"""How much memory one large picture takes while it is developed, measured in a process of its own.

python -m benchmarks.hostile.memory FILE    prints a JSON object: by how many bytes the peak grew
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from benchmarks.hostile.folder import encoded, picture
from benchmarks.hostile.pictures import SRGB
from moongate.config import IngestConfig
from moongate.imagefolder.pictures import PictureRules, develop

RULES = PictureRules(
    resolution=512,
    max_pixels=IngestConfig().max_pixels,
    min_side=1,
    max_aspect=IngestConfig().max_aspect,
    background=(255, 255, 255),
)


@dataclass(frozen=True)
class Peak:
    """What one picture took: its pixels, the size of its file, and the growth of the process in bytes."""

    kind: str
    pixels: int
    file_bytes: int
    growth_bytes: int

    @property
    def bytes_per_pixel(self) -> float:
        """The growth, less the file itself, for each pixel."""
        return (self.growth_bytes - self.file_bytes) / self.pixels


def _turned_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[274] = 6
    return exif


def _transparent_png(side: int) -> bytes:
    image = picture(1, side, side).convert("RGBA")
    image.putalpha(128)
    return encoded(image, compress_level=1, icc_profile=SRGB, exif=_turned_exif())


def _transparent_webp(side: int) -> bytes:
    image = picture(2, side, side).convert("RGBA")
    image.putalpha(128)
    return encoded(image, "WEBP", quality=50, method=0, icc_profile=SRGB, exif=_turned_exif())


def _progressive_cmyk_jpeg(side: int) -> bytes:
    image = picture(3, side, side).convert("CMYK")
    return encoded(image, "JPEG", progressive=True, subsampling=0, exif=_turned_exif())


def _deep_grey_png(side: int) -> bytes:
    return encoded(Image.new("I;16", (side, side), 30_000), compress_level=1, exif=_turned_exif())


# Each takes every way round that a picture of its kind can take: turned, with a profile, see-through.
KINDS: Mapping[str, Callable[[int], bytes]] = MappingProxyType(
    {
        "PNG, transparent, turned, with a profile": _transparent_png,
        "WebP, transparent, turned, with a profile": _transparent_webp,
        "JPEG, progressive CMYK, turned": _progressive_cmyk_jpeg,
        "PNG, 16-bit grey, turned": _deep_grey_png,
    }
)


def measure(kind: str, side: int, folder: Path) -> Peak:
    """Write a picture of `side` x `side` pixels, and develop it in a fresh process."""
    path = folder / "large"
    path.write_bytes(KINDS[kind](side))
    command = [sys.executable, "-m", "benchmarks.hostile.memory", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Peak(kind, side * side, path.stat().st_size, int(json.loads(done.stdout)["growth_bytes"]))


def _growth(path: Path) -> int:
    # What is imported and made once is not the picture's.
    develop(encoded(picture(0), icc_profile=SRGB), RULES)
    before = status_bytes("VmRSS")
    develop(path.read_bytes(), RULES)
    return status_bytes("VmHWM") - before


def status_bytes(name: str) -> int:
    """Return a figure of this process from Linux. The peak that getrusage gives begins with the parent's."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps({"growth_bytes": _growth(Path(sys.argv[1]))}))
