"""Sets of pictures on disk, opened for judging: what each was asked to show, read in batches."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from moongate.artifacts.images import IMAGES_NAME, pixels_from_png
from moongate.bad_items import BadItem
from moongate.errors import InputError
from moongate.metrics.rows import ModelRole
from moongate.sampling.planning import SAMPLES_NAME

_SAMPLE_COLUMNS = (
    "sample_id", "model", "prompt_id", "template", "seed", "object", "colour", "scene", "status", "reason",
)  # fmt: skip
_SUBJECT, _CLASS_NOUN = "{subject}", "{class_noun}"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Truth:
    """What a picture shows, in the toybox's words; None where nobody can say."""

    object: str | None = None
    colour: str | None = None
    scene: str | None = None


@dataclass(frozen=True)
class Item:
    """One picture's place in its set.

    text: what CLIP compares the picture with: its prompt with the class noun in place of the subject's name,
    or a real picture's caption. The rare identifier means nothing to CLIP and would only add noise.
    truth: what the picture was asked to show.
    """

    item_id: str
    text: str
    truth: Truth
    prompt_id: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class LostItem:
    """A picture that cannot be judged: it was not drawn, or has no features."""

    item: Item
    bad: BadItem


@dataclass(frozen=True)
class PictureBatch:
    """Some pictures of a set, still encoded.

    Attributes:
        names: what tells the batch from those of all sets: the artifact, then the items.
        pngs: the pictures.
    """

    names: tuple[str, ...]
    pngs: Sequence[bytes]

    def pixels(self) -> list[Pixels]:
        """Return the pictures, each (H, W, 3) uint8."""
        return [pixels_from_png(png) for png in self.pngs]


@dataclass(frozen=True)
class PictureSet:
    """A set of pictures on disk: its items in the order of its rows, and those whose row has no picture."""

    role: ModelRole
    path: Path
    items: tuple[Item, ...]
    lost: tuple[LostItem, ...] = ()

    @property
    def wanted(self) -> tuple[Item, ...]:
        """All items of the set, the lost ones at the end."""
        return (*self.items, *(one.item for one in self.lost))

    def batches(self, size: int) -> Iterator[PictureBatch]:
        """Yield the pictures in order, `size` at a time."""
        pngs = self._pngs(size)
        for first in range(0, len(self.items), size):
            names = (self.path.parent.name, *(item.item_id for item in self.items[first : first + size]))
            yield PictureBatch(names, list(islice(pngs, size)))

    def _pngs(self, size: int) -> Iterator[bytes]:
        for batch in pq.ParquetFile(self.path).iter_batches(batch_size=size, columns=["image"]):
            yield from (cell["bytes"] for cell in batch.column("image").to_pylist() if cell)


def open_samples(folder: Path, role: ModelRole, class_noun: str) -> PictureSet:
    """Open a sample set that the model in `role` drew.

    Raises InputError when it is empty, another model drew it, or a template has an unknown placeholder.
    """
    path = folder / SAMPLES_NAME
    rows = pq.read_table(path, columns=list(_SAMPLE_COLUMNS)).to_pylist()
    _check_drawn_by(rows, role, path)
    items = [_sampled(row, class_noun, path) for row in rows]
    drawn = tuple(item for item, row in zip(items, rows, strict=True) if row["status"] == "ok")
    lost = tuple(
        LostItem(item, BadItem(item.item_id, "lost", f"it was not drawn: {row['reason']}"))
        for item, row in zip(items, rows, strict=True)
        if row["status"] != "ok"
    )
    return PictureSet(role, path, drawn, lost)


def _sampled(row: Mapping[str, Any], class_noun: str, path: Path) -> Item:
    return Item(
        item_id=row["sample_id"],
        text=_class_text(row["template"], class_noun, path),
        truth=Truth(row["object"], row["colour"], row["scene"]),
        prompt_id=row["prompt_id"],
        seed=row["seed"],
    )


def open_pictures(folder: Path) -> PictureSet:
    """Open real pictures; their truth is read from the metadata columns object, colour and scene."""
    path = folder / IMAGES_NAME
    rows = pq.read_table(path, columns=["image_id", "text", "extra"]).to_pylist()
    items = tuple(Item(row["image_id"], row["text"], _truth_of(json.loads(row["extra"]))) for row in rows)
    return PictureSet("real", path, items)


def _class_text(template: str, class_noun: str, path: Path) -> str:
    text = template.replace(_SUBJECT, class_noun).replace(_CLASS_NOUN, class_noun)
    if "{" in text or "}" in text:
        raise InputError(
            f"the template {template!r} has a placeholder that nobody fills",
            where=str(path),
            why="prompt fidelity compares a picture with the finished prompt",
            fix=f"write {_SUBJECT} or {_CLASS_NOUN} where the thing is named, and no other braces",
        )
    return text


def _check_drawn_by(rows: Sequence[dict[str, object]], role: ModelRole, path: Path) -> None:
    models = sorted({str(row["model"]) for row in rows})
    if models != [role]:
        raise InputError(
            f"this sample set is not the {role} model's",
            where=str(path),
            why=f"its rows were drawn by: {', '.join(models) or 'nobody, it is empty'}",
            fix="pass each model's samples under its own name",
        )


def _truth_of(extra: dict[str, object]) -> Truth:
    words = (extra.get(name) for name in ("object", "colour", "scene"))
    return Truth(*(word if isinstance(word, str) else None for word in words))
