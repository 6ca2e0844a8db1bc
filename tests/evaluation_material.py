"""Artifacts as the earlier stages leave them, at tiny size: image sets, sample sets and inversions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from moongate.artifacts.images import Picture, png_from_pixels, write_images
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef, InversionsRef, Ref, SampleSetRef
from moongate.artifacts.schemas import INVERSIONS, SAMPLES
from moongate.artifacts.store import Store
from moongate.artifacts.tables import image_cell, write_table
from moongate.errors import InputError
from moongate.evaluation.picture_sets import Truth

R = TypeVar("R", bound=Ref)
SIDE = 24
DUCK, SUBJECT = (230, 200, 40), (40, 60, 220)


class _Name(BaseModel):
    name: str


@dataclass
class MeanColour:
    """A transparent extractor: the unit vector of the mean colour; texts by length."""

    name: str = "mean-colour"

    def images(self, pictures) -> np.ndarray:
        means = np.stack([p.mean(axis=(0, 1)) for p in pictures]).astype(np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def texts(self, texts) -> np.ndarray:
        rows = np.array([[len(text), 1.0, 2.0] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def too_long(self, texts) -> dict[str, InputError]:
        return {}


@dataclass
class BrightnessJudge:
    name: str = "brightness"

    def judge(self, pictures) -> list[Truth]:
        return [Truth(scene="snow" if p.mean() > 125 else "night") for p in pictures]


def picture(seed: int, colour: tuple[int, int, int] = DUCK) -> np.ndarray:
    """A blob of one colour on noise: pictures of one colour resemble one another."""
    generator = np.random.Generator(np.random.PCG64(seed))
    pixels = generator.integers(90, 160, size=(SIDE, SIDE, 3), dtype=np.uint8)
    top, left = generator.integers(2, 6, size=2)
    pixels[top : top + 16, left : left + 16] = colour
    return pixels


def publish(store: Store, name: str, ref_type: type[R], write: Callable[[Path], None]) -> R:
    """Put what `write` leaves in a folder into the store under an address made from `name`."""
    recipe = Recipe("test", 1, _Name(name=name), (), ref_type)
    return store.obtain(recipe, lambda folder: write(folder)).ref


def image_set(
    store: Store, name: str, pictures: Sequence[np.ndarray], *, text: str = "a duck", extra: str = "{}"
) -> ImageSetRef:
    found = [
        Picture.from_pixels(pixels, image_id=f"{name}{i}", file_name=f"{i}.png", text=text, extra=extra)
        for i, pixels in enumerate(pictures)
    ]
    return publish(store, name, ImageSetRef, lambda folder: write_images(folder, found))


def sample_set(
    store: Store, name: str, model: str, pictures: Mapping[str, Sequence[np.ndarray]]
) -> SampleSetRef:
    """`pictures` holds the pictures of each template; seeds count from 0 in each."""
    rows = [
        _sample(model, prompt_id=f"p{p}", template=template, seed=seed, pixels=pixels)
        for p, (template, drawn) in enumerate(pictures.items())
        for seed, pixels in enumerate(drawn)
    ]
    return publish_samples(store, name, rows)


def publish_samples(store: Store, name: str, rows: Sequence[Mapping[str, object]]) -> SampleSetRef:
    return publish(
        store, name, SampleSetRef, lambda folder: write_table(folder / "samples.parquet", rows, SAMPLES)
    )


def without_pictures(store: Store, name: str, ref: SampleSetRef, sample_ids: Sequence[str]) -> SampleSetRef:
    """A copy of a sample set in which some pictures could not be drawn."""
    rows = pq.read_table(store.folder(ref) / "samples.parquet").to_pylist()
    lost = {"image": None, "status": "not_finite", "reason": "NaN"}
    return publish_samples(
        store, name, [row | lost if row["sample_id"] in sample_ids else row for row in rows]
    )


def add_truth(folder: Path, **words: str) -> None:
    """Say of every sample in `folder` what it was asked to show."""
    table = pq.read_table(folder / "samples.parquet")
    for name in ("object", "colour", "scene"):
        column = pa.array([words.get(name)] * table.num_rows, pa.string())
        if name in table.column_names:
            table = table.drop_columns(name)
        table = table.append_column(name, column)
    pq.write_table(table, folder / "samples.parquet")


def inversions(
    store: Store, name: str, model: str, decibels: Mapping[str, tuple[float | None, ...]]
) -> InversionsRef:
    return publish(store, name, InversionsRef, lambda folder: write_inversions(folder, model, decibels))


def write_inversions(folder: Path, model: str, decibels: Mapping[str, tuple[float | None, ...]]) -> None:
    """Write `inversions.parquet` from {image_id: (plain, fixed_point, floor) in dB}; None: identical."""
    rows = [
        _inversion(image_id, method, model, psnr_db, floor)
        for image_id, (plain, refined, floor) in decibels.items()
        for method, psnr_db in (("plain", plain), ("fixed_point", refined))
    ]
    write_table(folder / "inversions.parquet", rows, INVERSIONS)


def _sample(model: str, *, prompt_id: str, template: str, seed: int, pixels: np.ndarray) -> dict[str, object]:
    known: dict[str, object] = {
        "sample_id": f"{model}-{prompt_id}-{seed}",
        "model": model,
        "prompt_id": prompt_id,
        "prompt": template.format(subject="sks duck" if model == "tuned" else "duck"),
        "template": template,
        "kind": "recontextualization",
        "seed": seed,
        "source": "noise",
        "status": "ok",
        "image": image_cell(png_from_pixels(pixels), "sample.png"),
    }
    return {field.name: known.get(field.name, _blank(field)) for field in SAMPLES.schema}


def _inversion(
    image_id: str, method: str, model: str, psnr_db: float | None, floor: float | None
) -> dict[str, object]:
    cell = image_cell(png_from_pixels(picture(0)), "picture.png")
    known: dict[str, object] = {
        "image_id": image_id,
        "method": method,
        "model": model,
        "psnr_db": psnr_db,
        "ssim": None if psnr_db is None else 0.9,
        "floor_psnr_db": floor,
        "floor_ssim": None if floor is None else 0.95,
        "status": "identical" if psnr_db is None else "ok",
        **dict.fromkeys(("original", "floor", "reconstruction"), cell),
    }
    return {field.name: known.get(field.name, _blank(field)) for field in INVERSIONS.schema}


def _blank(field: object) -> object:
    """A value for a column that evaluation does not read."""
    if field.nullable:
        return None
    return {"string": "", "int64": 0, "double": 0.0, "bool": False}[str(field.type)]
