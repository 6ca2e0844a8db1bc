"""Which pictures are inverted: an even share of an image set, each with its cached latent and its prompt."""

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from moongate.artifacts.images import IMAGES_NAME, Picture, stream_images
from moongate.artifacts.latents import LatentSet
from moongate.bad_items import BadItem, read_left_out
from moongate.errors import InputError

_PICTURES_AT_ONCE = 64


@dataclass(frozen=True)
class Target:
    """A picture to invert: as ingested, its row in the latent set, and the prompt it is inverted with."""

    picture: Picture
    row: int
    prompt: str


@dataclass(frozen=True)
class Lost:
    """A picture that was chosen and has no latent."""

    picture: Picture
    bad: BadItem


@dataclass(frozen=True)
class Choice:
    """The pictures that are inverted, and those that would be, had the cache not left them out."""

    targets: tuple[Target, ...]
    lost: tuple[Lost, ...]


def choose_targets(images: Path, latents: LatentSet, num_images: int) -> Choice:
    """Return `num_images` pictures, evenly spaced over the sorted ids; all of them when it is 0 or too many.

    Args:
        images: folder of the image set.
        latents: the same pictures in the cache.
        num_images: how many.

    Raises:
        InputError: when the latents are not those of the pictures.
    """
    reasons = {item.name: item.reason for item in read_left_out(latents.folder)}
    _check_same(images, latents, reasons)
    row_of = {image_id: row for row, image_id in enumerate(latents.image_ids)}
    names = sorted({*row_of, *reasons})
    taken = min(num_images or len(names), len(names))
    chosen = {names[index * len(names) // taken] for index in range(taken)}
    pictures = [
        picture
        for batch in stream_images(images, _PICTURES_AT_ONCE)
        for picture in batch
        if picture.image_id in chosen
    ]
    pictures.sort(key=lambda one: one.image_id)
    rows = [(picture, row_of[picture.image_id]) for picture in pictures if picture.image_id in row_of]
    return Choice(
        tuple(Target(picture, row, latents.prompts[row]) for picture, row in rows),
        tuple(_lost(one, reasons[one.image_id]) for one in pictures if one.image_id in reasons),
    )


def _lost(picture: Picture, reason: str) -> Lost:
    return Lost(picture, BadItem(picture.image_id, "lost", f"the cache stage left it out: {reason}"))


def _check_same(images: Path, latents: LatentSet, left_out: Container[str]) -> None:
    columns = pq.read_table(images / IMAGES_NAME, columns=["image_id", "sha256"]).to_pydict()
    pictures = set(zip(columns["image_id"], columns["sha256"], strict=True))
    cached = set(zip(latents.image_ids, latents.sha256s, strict=True))
    if different := sorted({image_id for image_id, _ in pictures ^ cached if image_id not in left_out}):
        raise InputError(
            "the latents are not those of the pictures",
            where=str(latents.folder),
            why=f"these differ, or are in one of the two only: {', '.join(different)}",
            fix="run the cache stage on this image set and pass what it returns",
        )
