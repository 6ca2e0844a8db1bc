from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moongate.artifacts.batches import FinishedBatches
from moongate.artifacts.store import Store
from moongate.evaluation.galleries import Eyes
from moongate.evaluation.measure import Material, Measured, measure
from moongate.evaluation.picture_sets import open_pictures, open_samples
from moongate.evaluation.summaries import Resampling
from tests.evaluation_material import (
    SUBJECT,
    BrightnessJudge,
    MeanColour,
    add_truth,
    image_set,
    picture,
    sample_set,
)

VOCABULARY = {"scene": ("snow", "night")}


class Counting:
    """Progress that adds up what it is told."""

    def __init__(self) -> None:
        self.total = self.done = 0

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        self.total += total
        yield self._advance

    def _advance(self, n: int) -> None:
        self.done += n


@pytest.fixture
def material(tmp_path: Path) -> Material:
    store = Store(tmp_path)
    drawn = {"a {subject} in snow": [picture(s) for s in range(4)]}
    folders = {model: store.folder(sample_set(store, model, model, drawn)) for model in ("tuned", "base")}
    for folder in folders.values():
        add_truth(folder, scene="snow")
    train = image_set(store, "train", [picture(s, SUBJECT) for s in range(3)])
    holdout = image_set(store, "holdout", [picture(9, SUBJECT)], extra='{"scene": "night"}')
    return Material(
        training=open_pictures(store.folder(train)),
        holdout=open_pictures(store.folder(holdout)),
        tuned=open_samples(folders["tuned"], "tuned", "duck"),
        base=open_samples(folders["base"], "base", "duck"),
        tuned_class=None,
        base_class=None,
        tuned_inversions=None,
        base_inversions=None,
    )


def measured(material: Material, judge: BrightnessJudge | None, progress: Counting) -> Measured:
    eyes = Eyes(MeanColour(), MeanColour(), judge, batch_size=3)
    return measure(
        material, eyes, VOCABULARY, Resampling(200, 0.95, 0), FinishedBatches(None), "stop", progress
    )


def test_judges_count_the_pictures_that_show_what_was_asked_for(material: Material) -> None:
    found = measured(material, BrightnessJudge(), Counting())
    right = {row.model: row.value for row in found.summary if row.metric == "judge_scene.brightness"}
    bright = [picture(seed).mean() > 125 for seed in range(4)]
    assert right["tuned"] == right["base"] == pytest.approx(sum(bright) / 4)
    assert right["real"] == float(picture(9, SUBJECT).mean() <= 125)


def test_without_judges_there_is_no_judgement(material: Material) -> None:
    found = measured(material, None, Counting())
    assert not [row for row in found.summary if row.metric.startswith("judge_")]


def test_progress_counts_every_picture_once(material: Material) -> None:
    progress = Counting()
    found = measured(material, None, progress)
    assert progress.done == progress.total == found.num_pictures == 3 + 1 + 4 + 4


def test_measuring_twice_gives_the_same_figures(material: Material) -> None:
    assert measured(material, None, Counting()) == measured(material, None, Counting())
