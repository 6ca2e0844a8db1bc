"""What an inversion lost: the picture drawn again beside the original and the VAE's own round trip."""

from dataclasses import dataclass

from moongate.artifacts.images import Picture, png_from_pixels
from moongate.artifacts.inverted import Method
from moongate.artifacts.tables import image_cell
from moongate.bad_items import BadItem
from moongate.inversions.inverter import Ascent
from moongate.inversions.pictures import Target
from moongate.metrics.reconstruction import psnr_db, ssim
from moongate.metrics.rows import Measurement
from moongate.sampling.rendering import Pixels

_WHITE = 255


@dataclass(frozen=True)
class Comparison:
    """PSNR in dB and SSIM of an 8-bit picture against its original."""

    psnr: Measurement
    ssim: Measurement

    @classmethod
    def of(cls, pixels: Pixels, original: Pixels) -> "Comparison":
        """Compare two pictures, (H, W, 3) uint8."""
        return cls(
            psnr_db(pixels, original, data_range=_WHITE),
            ssim(pixels, original, data_range=_WHITE),
        )


def row_without_values(
    picture: Picture, prompt: str, bad: BadItem, method: Method, *, model: str, steps: int, unet_evals: int
) -> dict[str, object]:
    """Return the row of a picture that could not be inverted by `method`."""
    absent = ("psnr_db", "ssim", "floor_psnr_db", "floor_ssim", "residual", "iterations")
    return {
        "image_id": picture.image_id,
        "file_name": picture.file_name,
        "text": prompt,
        "method": method,
        "model": model,
        "steps": steps,
        **dict.fromkeys((*absent, "floor", "reconstruction")),
        "status": bad.status,
        "reason": bad.reason,
        "fell_back": False,
        "unet_evals": unet_evals,
        "original": image_cell(picture.png, picture.file_name),
    }


@dataclass(frozen=True)
class Measured:
    """Pictures of one target: decode(encode(x)), and what was drawn from z_T; both (H, W, 3) uint8."""

    target: Target
    floor: Pixels
    reconstruction: Pixels

    def row(self, ascent: Ascent, index: int, *, model: str, steps: int) -> dict[str, object]:
        """Return the row of `inversions.parquet` for picture `index` of a batch."""
        picture = self.target.picture
        original = picture.pixels()
        found, floor = Comparison.of(self.reconstruction, original), Comparison.of(self.floor, original)
        return {
            "image_id": picture.image_id,
            "file_name": picture.file_name,
            "text": self.target.prompt,
            "method": ascent.method,
            "model": model,
            "steps": steps,
            "psnr_db": found.psnr.value,
            "ssim": found.ssim.value,
            "floor_psnr_db": floor.psnr.value,
            "floor_ssim": floor.ssim.value,
            "status": "identical" if found.psnr.status == "inf" else found.psnr.status,
            "reason": "",
            "residual": None if ascent.residual is None else float(ascent.residual[index]),
            "iterations": None if ascent.iterations is None else float(ascent.iterations[index]),
            "fell_back": bool(ascent.fell_back[index]),
            "unet_evals": int(ascent.evaluations[index]),
            "original": image_cell(picture.png, picture.file_name),
            "floor": self._cell(self.floor, "floor"),
            "reconstruction": self._cell(self.reconstruction, f"{ascent.method}-{model}"),
        }

    def _cell(self, pixels: Pixels, kind: str) -> dict[str, object]:
        return image_cell(png_from_pixels(pixels), f"{self.target.picture.image_id}-{kind}.png")
