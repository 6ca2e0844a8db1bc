"""Which pictures are inverted: an even share of an image set, each with its cached latent and its prompt."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from moongate.artifacts.images import IMAGES_NAME, Picture, stream_images
from moongate.artifacts.latents import LatentSet
from moongate.errors import InputError

_PICTURES_AT_ONCE = 64


@dataclass(frozen=True)
class Target:
    """A picture to invert: as ingested, its row in the latent set, and the prompt it is inverted with."""

    picture: Picture
    row: int
    prompt: str


def choose_targets(images: Path, latents: LatentSet, num_images: int) -> tuple[Target, ...]:
    """Return `num_images` pictures, evenly spaced over the sorted ids; all of them when it is 0 or too many.

    Args:
        images: folder of the image set.
        latents: the same pictures in the cache.
        num_images: how many.

    Raises:
        InputError: when the latents are not those of the pictures.
    """
    _check_same(images, latents)
    row_of = {image_id: row for row, image_id in enumerate(latents.image_ids)}
    names = sorted(row_of)
    taken = min(num_images or len(names), len(names))
    chosen = {names[index * len(names) // taken] for index in range(taken)}
    pictures = [
        picture
        for batch in stream_images(images, _PICTURES_AT_ONCE)
        for picture in batch
        if picture.image_id in chosen
    ]
    rows = [(picture, row_of[picture.image_id]) for picture in sorted(pictures, key=lambda one: one.image_id)]
    return tuple(Target(picture, row, latents.prompts[row]) for picture, row in rows)


def _check_same(images: Path, latents: LatentSet) -> None:
    columns = pq.read_table(images / IMAGES_NAME, columns=["image_id", "sha256"]).to_pydict()
    pictures = set(zip(columns["image_id"], columns["sha256"], strict=True))
    cached = set(zip(latents.image_ids, latents.sha256s, strict=True))
    if different := sorted({image_id for image_id, _ in pictures ^ cached}):
        raise InputError(
            "the latents are not those of the pictures",
            where=str(latents.folder),
            why=f"these differ, or are in one of the two only: {', '.join(different)}",
            fix="run the cache stage on this image set and pass what it returns",
        )
