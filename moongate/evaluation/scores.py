"""Every metric as scores of single pictures, named, with its direction and the unit its interval rests on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moongate.evaluation.galleries import Gallery
from moongate.evaluation.picture_sets import Item, LostItem, Truth
from moongate.metrics.rows import Direction, Measurement, MetricRow, ModelRole, Unit
from moongate.metrics.similarity import copy_score, matched_cosine, mean_cosine_to, mean_distance_to_others

Attribute = Literal["object", "colour", "scene"]


@dataclass(frozen=True)
class Metric:
    """What is measured. `unit` was drawn independently: prompts with all their seeds, or single pictures."""

    name: str
    direction: Direction
    unit: Unit


@dataclass(frozen=True)
class Scores:
    """One metric of one model, picture by picture. Without rows there was nothing to measure."""

    metric: Metric
    model: ModelRole
    rows: tuple[MetricRow, ...]


def subject_fidelity(gallery: Gallery, training: Gallery, extractors: Mapping[str, str]) -> Iterable[Scores]:
    """Mean cosine of each picture to the training pictures, by the identity encoder and by CLIP (CLIP-I).

    DreamBooth, section 4.1. For held-out real pictures it is the bound that a perfect model would reach.
    """
    by_identity = Metric(f"subject_fidelity.identity.{extractors['identity']}", "higher", _unit(gallery))
    by_clip = Metric(f"subject_fidelity.clip.{extractors['clip']}", "higher", _unit(gallery))
    yield _scores(by_identity, gallery, mean_cosine_to(gallery.identity, training.identity))
    yield _scores(by_clip, gallery, mean_cosine_to(gallery.clip, training.clip))


def prompt_fidelity(gallery: Gallery, extractor: str) -> Scores:
    """CLIP-T: cosine of each picture with its prompt, the class noun standing where the subject is named."""
    metric = Metric(f"prompt_fidelity.clip_class_noun.{extractor}", "higher", _unit(gallery))
    return _scores(metric, gallery, matched_cosine(gallery.clip, gallery.texts))


def class_resemblance(gallery: Gallery | None, model: ModelRole, training: Gallery, extractor: str) -> Scores:
    """PRES: mean identity cosine of each class picture to the training pictures of the subject."""
    metric = Metric(f"class_resemblance.identity.{extractor}", "lower", "image")
    if gallery is None:
        return Scores(metric, model, ())
    return _scores(metric, gallery, mean_cosine_to(gallery.identity, training.identity))


def diversity(gallery: Gallery, extractor: str) -> Scores:
    """DIV: mean of 1 - identity cosine from each picture to the others of its prompt.

    The paper's distance is LPIPS, on another scale. A prompt with a single picture gives status `too_few`.
    """
    metric = Metric(f"diversity.identity_cosine.{extractor}", "higher", "prompt")
    found: dict[int, float] = {}
    for places in _by_prompt(gallery.items).values():
        if len(places) > 1:
            found |= zip(places, mean_distance_to_others(gallery.identity[places]).tolist(), strict=True)
    values = [
        Measurement.of(found[place]) if place in found else Measurement.too_few()
        for place in range(len(gallery.items))
    ]
    return Scores(metric, gallery.role, _rows(metric, gallery, values))


def copying(gallery: Gallery, training: Gallery, extractor: str) -> Scores:
    """Nearness to the nearest training picture, less how near those are to one another, by CLIP.

    Identity features are made to overlook the scene, and so could not tell a paste from the subject
    elsewhere. With a single training picture there is nothing to compare with: status `too_few`.
    """
    metric = Metric(f"copy.clip.{extractor}", "lower", _unit(gallery))
    if len(training.items) < 2:
        nothing = [Measurement.too_few()] * len(gallery.items)
        return Scores(metric, gallery.role, _rows(metric, gallery, nothing))
    return _scores(metric, gallery, copy_score(gallery.clip, training.clip))


def judged_right(gallery: Gallery, attribute: Attribute, vocabulary: Sequence[str], judge: str) -> Scores:
    """1 where the judge sees the word that was asked for, else 0.

    Pictures that were asked for nothing in the judge's vocabulary are left out.
    """
    metric = Metric(f"judge_{attribute}.{judge}", "higher", _unit(gallery))
    pairs = [
        (item, asked, _word(seen, attribute))
        for item, seen in zip(gallery.items, gallery.judged or (), strict=True)
        if (asked := _word(item.truth, attribute)) in vocabulary
    ]
    rows = (
        _row(metric, gallery.role, item, Measurement.of(float(asked == seen))) for item, asked, seen in pairs
    )
    lost = [one for one in gallery.lost if _word(one.item.truth, attribute) in vocabulary]
    return Scores(metric, gallery.role, (*rows, *_lost_rows(metric, gallery.role, lost)))


def _unit(gallery: Gallery) -> Unit:
    return "image" if gallery.role == "real" else "prompt"


def _word(truth: Truth, attribute: Attribute) -> str | None:
    word: str | None = getattr(truth, attribute)
    return word


def _by_prompt(items: Sequence[Item]) -> dict[str | None, list[int]]:
    places: dict[str | None, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(item.prompt_id, []).append(place)
    return places


def _scores(metric: Metric, gallery: Gallery, values: NDArray[np.float64]) -> Scores:
    measured = [Measurement.of(value) for value in values.tolist()]
    return Scores(metric, gallery.role, _rows(metric, gallery, measured))


def _rows(metric: Metric, gallery: Gallery, values: Sequence[Measurement]) -> tuple[MetricRow, ...]:
    rows = (
        _row(metric, gallery.role, item, value) for item, value in zip(gallery.items, values, strict=True)
    )
    return (*rows, *_lost_rows(metric, gallery.role, gallery.lost))


def _lost_rows(metric: Metric, model: ModelRole, lost: Sequence[LostItem]) -> Iterator[MetricRow]:
    for one in lost:
        item, bad = one.item, one.bad
        yield MetricRow(
            metric.name, model, item.item_id, None, bad.status, item.prompt_id, item.seed, bad.reason
        )


def _row(metric: Metric, model: ModelRole, item: Item, found: Measurement) -> MetricRow:
    return MetricRow(metric.name, model, item.item_id, found.value, found.status, item.prompt_id, item.seed)
