"""All metrics of one run: which sets are compared with which, and in which order the figures come."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from moongate.artifacts.batches import FinishedBatches
from moongate.bad_items import require_some
from moongate.config import OnBadItem
from moongate.errors import InputError
from moongate.evaluation import scores
from moongate.evaluation.galleries import Eyes, Gallery, look_at
from moongate.evaluation.inversions import inversion_scores
from moongate.evaluation.picture_sets import PictureSet
from moongate.evaluation.scores import Attribute, Scores
from moongate.evaluation.summaries import Resampling, class_diversity, class_kid, summarise
from moongate.metrics.rows import MetricRow, SummaryRow
from moongate.progress import Progress


@dataclass(frozen=True)
class Material:
    """What a run has to be judged by. None where the run has no such set.

    training, holdout: real pictures of the subject. tuned, base: both models' samples of the same prompts.
    tuned_class, base_class: both models' pictures of the plain class. *_inversions: folders.
    """

    training: PictureSet
    holdout: PictureSet | None
    tuned: PictureSet
    base: PictureSet
    tuned_class: PictureSet | None
    base_class: PictureSet | None
    tuned_inversions: Path | None
    base_inversions: Path | None

    @property
    def sets(self) -> tuple[PictureSet, ...]:
        """Every set of pictures that is there."""
        found = (self.training, self.holdout, self.tuned, self.base, self.tuned_class, self.base_class)
        return tuple(pictures for pictures in found if pictures is not None)


@dataclass(frozen=True)
class Measured:
    """Every figure of a run: one row a picture, and one row a model."""

    rows: tuple[MetricRow, ...]
    summary: tuple[SummaryRow, ...]
    num_pictures: int


@dataclass(frozen=True)
class Galleries:
    """The material of a run after everything has been looked at once."""

    training: Gallery
    holdout: Gallery | None
    tuned: Gallery
    base: Gallery
    tuned_class: Gallery | None
    base_class: Gallery | None


def measure(
    material: Material,
    eyes: Eyes,
    vocabulary: Mapping[Attribute, Sequence[str]],
    resampling: Resampling,
    finished: FinishedBatches,
    on_bad_item: OnBadItem,
    progress: Progress,
) -> Measured:
    """Compute every metric. One whose input the run does not have gets rows with status `missing`.

    Args:
        material: the pictures and inversions of the run.
        eyes: feature extractors and judges.
        vocabulary: the words that the judges know; empty without judges.
        resampling: how intervals are drawn.
        finished: batches of an interrupted evaluation, and where this one keeps its own.
        on_bad_item: whether a picture or text without features ends the evaluation.
        progress: is told of every picture that was looked at.

    Raises:
        InputError: when the two models drew other prompts, a set of pictures is empty, or a text is too long
            for the extractor and bad items are not skipped.
        NumericsError: when a feature has no direction, and bad items are not skipped, or none of a set has
            one.
        StopError: after a batch, when the process was asked to stop.
    """
    _check_same_prompts(material.base, material.tuned)
    galleries = _look_at_all(material, eyes, finished, on_bad_item, progress)
    found = [
        *_picture_scores(galleries, eyes),
        *_judge_scores(galleries, eyes, vocabulary),
        *inversion_scores(material.base_inversions, "base"),
        *inversion_scores(material.tuned_inversions, "tuned"),
    ]
    summary = (
        *(summarise(score, resampling) for score in found),
        class_diversity(galleries.base_class, "base", eyes.identity.name, resampling),
        class_diversity(galleries.tuned_class, "tuned", eyes.identity.name, resampling),
        *class_kid(galleries.base_class, galleries.tuned_class, eyes.clip.name, resampling),
    )
    rows = tuple(row for score in found for row in score.rows)
    return Measured(rows, summary, sum(len(pictures.items) for pictures in material.sets))


def _look_at_all(
    material: Material,
    eyes: Eyes,
    finished: FinishedBatches,
    on_bad_item: OnBadItem,
    progress: Progress,
) -> Galleries:
    total = sum(len(pictures.items) for pictures in material.sets)
    with progress.track("evaluate", total) as advance:

        def see(pictures: PictureSet) -> Gallery:
            _check_not_empty(pictures)
            gallery = look_at(pictures, eyes, finished, on_bad_item, advance)
            require_some(len(pictures.wanted), [one.bad for one in gallery.lost], "evaluate")
            return gallery

        return Galleries(
            training=see(material.training),
            holdout=see(material.holdout) if material.holdout else None,
            tuned=see(material.tuned),
            base=see(material.base),
            tuned_class=see(material.tuned_class) if material.tuned_class else None,
            base_class=see(material.base_class) if material.base_class else None,
        )


def _picture_scores(galleries: Galleries, eyes: Eyes) -> Iterator[Scores]:
    """Scores of each picture against the training pictures, its own prompt and its siblings."""
    training, identity = galleries.training, eyes.identity.name
    for gallery in _shown(galleries):
        yield from _bounded_scores(gallery, training, eyes)
    if galleries.holdout is None:
        for score in _bounded_scores(galleries.base, training, eyes):
            yield Scores(replace(score.metric, unit="image"), "real", ())
    yield scores.diversity(galleries.base, identity)
    yield scores.diversity(galleries.tuned, identity)
    yield scores.class_resemblance(galleries.base_class, "base", training, identity)
    yield scores.class_resemblance(galleries.tuned_class, "tuned", training, identity)


def _bounded_scores(gallery: Gallery, training: Gallery, eyes: Eyes) -> Iterator[Scores]:
    """Scores that held-out real pictures have as well."""
    extractors = {"identity": eyes.identity.name, "clip": eyes.clip.name}
    yield from scores.subject_fidelity(gallery, training, extractors)
    yield scores.prompt_fidelity(gallery, eyes.clip.name)
    yield scores.copying(gallery, training, eyes.clip.name)


def _judge_scores(
    galleries: Galleries, eyes: Eyes, vocabulary: Mapping[Attribute, Sequence[str]]
) -> Iterator[Scores]:
    if eyes.judge is None:
        return
    for gallery in _shown(galleries):
        for attribute, words in vocabulary.items():
            yield scores.judged_right(gallery, attribute, words, eyes.judge.name)


def _shown(galleries: Galleries) -> Iterator[Gallery]:
    """The galleries that are judged by the same metrics: held-out real pictures, base and tuned samples."""
    for gallery in (galleries.holdout, galleries.base, galleries.tuned):
        if gallery is not None:
            yield gallery


def _check_same_prompts(base: PictureSet, tuned: PictureSet) -> None:
    drawn = [{(item.prompt_id, item.text) for item in pictures.wanted} for pictures in (base, tuned)]
    if differing := sorted(drawn[0] ^ drawn[1], key=str):
        prompt_id, text = differing[0]
        raise InputError(
            "the base and the tuned model were not asked for the same prompts",
            where=f"{base.path} and {tuned.path}",
            why=f"{len(differing)} prompts are in one set only, such as {prompt_id} ({text!r})",
            fix="draw both sets from one prompt set; a bound from other prompts bounds nothing",
        )


def _check_not_empty(pictures: PictureSet) -> None:
    if not pictures.items:
        raise InputError(
            "a set of pictures is empty",
            where=str(pictures.path),
            why="no metric of it is defined",
            fix="run the stage that fills it, or leave the set out",
        )
