"""Image sets: `images.parquet`, one row a picture, with its caption and its PNG bytes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from moongate.artifacts.digests import bytes_digest
from moongate.artifacts.schemas import IMAGES
from moongate.artifacts.tables import image_cell, open_table
from moongate.errors import StoreError

if TYPE_CHECKING:
    from datasets import Dataset

    from moongate.artifacts.refs import ImageSetRef
    from moongate.artifacts.store import Store

IMAGES_NAME = "images.parquet"
_PICTURES_AT_ONCE = 64


@dataclass(frozen=True)
class Picture:
    """One picture of an image set.

    Attributes:
        image_id: names the picture within its set and keys its noise; made from content or seed, not a path.
        file_name: where the picture came from: a POSIX path within its folder, or a made-up name.
        text: its caption or prompt.
        sha256: digest of `png`, 64 hex digits.
        extra: JSON object with the picture's other metadata columns.
        png: the picture as a PNG file, 8-bit RGB.
    """

    image_id: str
    file_name: str
    text: str
    sha256: str
    extra: str
    png: bytes

    @classmethod
    def from_pixels(
        cls, pixels: np.ndarray, *, image_id: str, file_name: str, text: str, extra: str = "{}"
    ) -> "Picture":
        """Make a picture from sRGB pixels: (H, W, 3) uint8."""
        png = png_from_pixels(pixels)
        return cls(image_id, file_name, text, bytes_digest(png), extra, png)

    def pixels(self) -> np.ndarray:
        """Return the sRGB pixels: (H, W, 3) uint8."""
        return pixels_from_png(self.png)


def png_from_pixels(pixels: np.ndarray) -> bytes:
    """Encode sRGB pixels, (H, W, 3) uint8, as a PNG file.

    Raises:
        ValueError: when the array has another shape or type.
    """
    from PIL import Image

    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels must be (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG")
    return stream.getvalue()


def pixels_from_png(png: bytes) -> np.ndarray:
    """Decode a PNG file that this project wrote into sRGB pixels: (H, W, 3) uint8."""
    from PIL import Image

    with Image.open(BytesIO(png), formats=("PNG",)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def write_images(
    folder: Path, pictures: Iterable[Picture], provenance: Mapping[str, str] | None = None
) -> None:
    """Write `images.parquet` into `folder`, holding only a few of the pictures in memory.

    Args:
        folder: where to.
        pictures: may be drawn while they are written.
        provenance: extra footer entries: how the pictures were made.

    Raises:
        StoreError: when two pictures have one image_id.
    """
    path = folder / IMAGES_NAME
    seen: set[str] = set()
    remaining = iter(pictures)
    with open_table(path, IMAGES, provenance) as append:
        while rows := [_row(picture) for picture in islice(remaining, _PICTURES_AT_ONCE)]:
            for row in rows:
                _refuse_repeated(str(row["image_id"]), seen, path)
            append(rows)


def read_images(folder: Path) -> tuple[Picture, ...]:
    """Return the pictures of an image set, in the order in which they were written."""
    return tuple(picture for batch in stream_images(folder, _PICTURES_AT_ONCE) for picture in batch)


def stream_images(folder: Path, batch_size: int) -> Iterator[tuple[Picture, ...]]:
    """Yield the pictures of an image set in order, `batch_size` at a time and no more in memory than that."""
    with pq.ParquetFile(folder / IMAGES_NAME) as file:
        for batch in file.iter_batches(batch_size=batch_size):
            yield tuple(_picture(row) for row in batch.to_pylist())


def read_captions(folder: Path) -> tuple[str, ...]:
    """Return the captions of an image set, without reading its pictures."""
    return tuple(pq.read_table(folder / IMAGES_NAME, columns=["text"])["text"].to_pylist())


def read_file_names(folder: Path) -> dict[str, str]:
    """Return the file name of every picture of an image set by its id, without reading its pictures."""
    columns = pq.read_table(folder / IMAGES_NAME, columns=["image_id", "file_name"]).to_pydict()
    return dict(zip(columns["image_id"], columns["file_name"], strict=True))


def count_images(folder: Path) -> int:
    """Return the number of pictures of an image set, from the footer of its file."""
    return int(pq.read_metadata(folder / IMAGES_NAME).num_rows)


def read_side(folder: Path) -> int:
    """Return the longest side in pixels of the pictures of an image set, 0 when it is empty."""
    columns = pq.read_table(folder / IMAGES_NAME, columns=["width", "height"]).to_pydict()
    return max((*columns["width"], *columns["height"]), default=0)


def as_dataset(ref: "ImageSetRef", store: "Store") -> "Dataset":
    """Return an image set as a Hugging Face dataset whose `image` column decodes to PIL images."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    table = pq.read_table(store.folder(ref) / IMAGES_NAME)
    return Dataset(InMemoryTable(table), fingerprint=ref.digest[:16])


def _refuse_repeated(image_id: str, seen: set[str], path: Path) -> None:
    if image_id in seen:
        raise StoreError(
            "two pictures of one set have the same image_id",
            where=str(path),
            why=f"repeated: {image_id}",
            fix="give every picture its own image_id",
        )
    seen.add(image_id)


def _picture(row: Mapping[str, Any]) -> Picture:
    columns = {name: row[name] for name in ("image_id", "file_name", "text", "sha256", "extra")}
    return Picture(**columns, png=row["image"]["bytes"])


def _row(picture: Picture) -> dict[str, object]:
    height, width = _png_size(picture.png)
    return {
        "image_id": picture.image_id,
        "file_name": picture.file_name,
        "text": picture.text,
        "sha256": picture.sha256,
        "width": width,
        "height": height,
        "extra": picture.extra,
        "image": image_cell(picture.png, picture.file_name),
    }


def _png_size(png: bytes) -> tuple[int, int]:
    """Return (height, width) in pixels from a PNG's header chunk (PNG specification, section 11.2.1)."""
    return int.from_bytes(png[20:24]), int.from_bytes(png[16:20])
