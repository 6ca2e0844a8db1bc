"""Galleries: the pictures of one set as features, with what is known about each of them.

Pictures are read, embedded and let go in batches, so that a set of any size fits into memory.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.shards import Shard
from moongate.bad_items import GO_ON, BadItem
from moongate.config import OnBadItem
from moongate.errors import InputError, NumericsError
from moongate.evaluation.picture_sets import Item, LostItem, PictureBatch, PictureSet, Pixels, Truth
from moongate.metrics.rows import ModelRole

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Gallery:
    """One set of pictures as features, row i of each array belonging to items[i].

    identity: (N, D) float32; clip, texts: (N, D') float32; all of length 1.
    judged: what the judges see in each picture; None when there are no judges.
    lost: pictures of the set that are in none of the arrays, and why.
    """

    role: ModelRole
    items: tuple[Item, ...]
    identity: Features
    clip: Features
    texts: Features
    judged: tuple[Truth, ...] | None
    lost: tuple[LostItem, ...] = ()


class ImageFeatures(Protocol):
    """An extractor of `moongate.models.features`, as far as it is needed here."""

    name: str

    def images(self, pictures: Sequence[Pixels]) -> Features:
        """Features of pictures, each (H, W, 3) uint8: (N, D), rows of length 1, or NaN for no direction."""
        ...


class ImageAndTextFeatures(ImageFeatures, Protocol):
    """An extractor that also reads texts."""

    def texts(self, texts: Sequence[str]) -> Features:
        """Features of texts: (N, D), rows of length 1, or NaN without a direction."""
        ...

    def too_long(self, texts: Sequence[str]) -> Mapping[str, InputError]:
        """Return the error of each text that cannot be read to its end."""
        ...


class Judge(Protocol):
    """Tells what pictures of the toybox show."""

    name: str

    def judge(self, pictures: Sequence[Pixels]) -> Sequence[Truth]:
        """Return a truth for each picture, (H, W, 3) uint8."""
        ...


@dataclass(frozen=True)
class Eyes:
    """Everything that looks at pictures. `batch_size` pictures are decoded at once."""

    identity: ImageFeatures
    clip: ImageAndTextFeatures
    judge: Judge | None
    batch_size: int


def look_at(
    pictures: PictureSet,
    eyes: Eyes,
    finished: FinishedBatches,
    on_bad_item: OnBadItem,
    advance: Callable[[int], None],
) -> Gallery:
    """Embed and judge every picture of a set.

    Args:
        pictures: the set.
        eyes: what looks at them.
        finished: batches of an interrupted evaluation, and where this one keeps its own.
        on_bad_item: whether a picture or text without features ends the evaluation.
        advance: told of each batch.

    Raises:
        InputError: when a text is too long for the extractor, and bad items are not skipped.
        NumericsError: when a feature has no direction, and bad items are not skipped; it names the pictures.
        StopError: after a batch, when the process was asked to stop.
    """
    refused = _refused(pictures.items, eyes.clip, on_bad_item)
    identity, clip, judged = [], [], list[Truth]()
    for batch in pictures.batches(eyes.batch_size):
        seen = _seen(batch, eyes, finished)
        identity.append(seen.arrays["identity"])
        clip.append(seen.arrays["clip"])
        judged.extend(Truth(*words) for words in seen.facts["judged"])
        advance(len(batch.pngs))
    found = _Features(
        np.concatenate(identity), np.concatenate(clip), _texts(pictures.items, eyes.clip, refused)
    )
    bad = _bad_items(pictures.items, refused, found)
    if on_bad_item == "stop":
        _refuse(pictures, bad)
    sound = [index for index in range(len(pictures.items)) if index not in bad]
    return Gallery(
        pictures.role,
        tuple(pictures.items[index] for index in sound),
        found.identity[sound],
        found.clip[sound],
        found.texts[sound],
        judged=tuple(judged[index] for index in sound) if eyes.judge else None,
        lost=(*pictures.lost, *(LostItem(pictures.items[index], one) for index, one in bad.items())),
    )


def look_at_shard(
    sets: Sequence[PictureSet],
    shard: Shard,
    eyes: Eyes,
    finished: FinishedBatches,
    advance: Callable[[int], None],
) -> int:
    """Look at the batches of a shard of all sets, leave them among the finished ones, and count them.

    A feature without a direction is kept as it is; whether it ends the evaluation is up to `look_at`.

    Raises:
        StopError: after a batch, when the process was asked to stop.
    """
    count = 0
    for batch in shard.of(batch for pictures in sets for batch in pictures.batches(eyes.batch_size)):
        _seen(batch, eyes, finished)
        advance(len(batch.pngs))
        count += 1
    return count


@dataclass(frozen=True)
class _Features:
    """Features of all items of a set, as in `Gallery`, with rows of NaN where there is no direction."""

    identity: Features
    clip: Features
    texts: Features

    def sound(self) -> NDArray[np.bool_]:
        """Return for each item whether all its features have a direction, (N,)."""
        stacked = np.concatenate([self.identity, self.clip, self.texts], axis=1)
        return np.isfinite(stacked).all(axis=1)


def _refused(items: Sequence[Item], clip: ImageAndTextFeatures, on_bad_item: OnBadItem) -> dict[str, str]:
    """Return why texts cannot be read to their end."""
    errors = clip.too_long(sorted({item.text for item in items}))
    for error in errors.values():
        if on_bad_item == "stop":
            raise error
    return {text: error.what for text, error in errors.items()}


def _bad_items(
    items: Sequence[Item], refused: Mapping[str, str], features: "_Features"
) -> dict[int, BadItem]:
    """Return what is wrong with items, by their row."""
    sound = features.sound()
    found: dict[int, BadItem] = {}
    for index, item in enumerate(items):
        if reason := refused.get(item.text):
            found[index] = BadItem(item.item_id, "too_long", reason)
        elif not sound[index]:
            found[index] = BadItem(item.item_id, "not_finite", "a feature of it is all zero or not finite")
    return found


def _refuse(pictures: PictureSet, bad: Mapping[int, BadItem]) -> None:
    if bad:
        raise NumericsError(
            f"{len(bad)} of {len(pictures.items)} pictures or their texts have a feature without a direction",
            where=str(pictures.path),
            why=f"it is all zero or not finite: {', '.join(item.name for item in bad.values())}",
            fix=f"look at the pictures; if they are sound, check the extractor's weights, {GO_ON}",
        )


def _seen(batch: PictureBatch, eyes: Eyes, finished: FinishedBatches) -> Batch:
    """Return what is seen in a batch, looking at it unless that has been done."""
    if (seen := finished.find(batch.names)) is None:
        seen = _look(batch.pixels(), eyes)
        finished.publish(batch.names, seen)
    return seen


def _look(pictures: Sequence[Pixels], eyes: Eyes) -> Batch:
    """Return the features of a batch, and what the judges see in each picture."""
    judged = eyes.judge.judge(pictures) if eyes.judge else ()
    features = {"identity": eyes.identity.images(pictures), "clip": eyes.clip.images(pictures)}
    return Batch(features, {"judged": [astuple(truth) for truth in judged]})


def _texts(items: Sequence[Item], clip: ImageAndTextFeatures, refused: Container[str]) -> Features:
    """Features of every item's text, NaN where it was refused; one that many share is embedded once."""
    unique = sorted({item.text for item in items if item.text not in refused})
    features = clip.texts(unique)
    # The last row stands for what was refused.
    features = np.concatenate([features, np.full_like(features, np.nan, shape=(1, features.shape[1]))])
    place = {text: index for index, text in enumerate(unique)}
    return features[[place.get(item.text, len(unique)) for item in items]]
