from pathlib import Path

import numpy as np
import pytest

from moongate.artifacts.batches import FinishedBatches
from moongate.artifacts.store import Store
from moongate.errors import InputError
from moongate.evaluation.galleries import Eyes, look_at
from moongate.evaluation.picture_sets import Truth, open_pictures, open_samples
from tests.evaluation_material import (
    BrightnessJudge,
    MeanColour,
    add_truth,
    image_set,
    picture,
    sample_set,
)

TEMPLATES = ("a {subject} in the snow", "a red {subject}")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def samples(store: Store, model: str = "tuned") -> Path:
    drawn = {template: [picture(10 * p + s) for s in range(3)] for p, template in enumerate(TEMPLATES)}
    return store.folder(sample_set(store, model, model, drawn))


def test_samples_are_compared_with_their_prompt_without_the_identifier(store: Store) -> None:
    found = open_samples(samples(store), "tuned", "duck")
    assert [item.text for item in found.items[::3]] == ["a duck in the snow", "a red duck"]


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_features_stay_beside_their_picture_at_any_batch_size(store: Store, batch_size: int) -> None:
    opened, advanced = open_samples(samples(store), "tuned", "duck"), []
    eyes = Eyes(MeanColour(), MeanColour(), BrightnessJudge(), batch_size)
    found = look_at(opened, eyes, FinishedBatches(None), "stop", advanced.append)
    expected = MeanColour().images([picture(seed) for seed in (0, 1, 2, 10, 11, 12)])
    np.testing.assert_allclose(found.identity, expected, atol=1e-6)
    np.testing.assert_allclose(found.texts[3], MeanColour().texts(["a red duck"])[0], atol=1e-6)
    assert sum(advanced) == len(found.judged) == 6


def test_without_a_judge_nothing_is_judged(store: Store) -> None:
    opened = open_samples(samples(store), "tuned", "duck")
    blind = Eyes(MeanColour(), MeanColour(), None, 4)
    assert look_at(opened, blind, FinishedBatches(None), "stop", lambda n: None).judged is None


def test_samples_of_the_other_model_are_refused(store: Store) -> None:
    with pytest.raises(InputError, match="drawn by: base"):
        open_samples(samples(store, "base"), "tuned", "duck")


def test_a_template_with_another_placeholder_is_refused(store: Store) -> None:
    ref = sample_set(store, "odd", "tuned", {"a {subject} at {{place}}": [picture(0)]})
    with pytest.raises(InputError, match="placeholder"):
        open_samples(store.folder(ref), "tuned", "duck")


def test_real_pictures_are_compared_with_their_caption(store: Store) -> None:
    ref = image_set(store, "train", [picture(0), picture(1)], text="a duck on a beach")
    found = open_pictures(store.folder(ref))
    assert (found.role, [item.text for item in found.items]) == ("real", ["a duck on a beach"] * 2)
    assert {(item.prompt_id, item.seed) for item in found.items} == {(None, None)}


def test_truth_is_read_where_the_prompt_set_has_it(store: Store) -> None:
    folder = samples(store)
    add_truth(folder, object="duck", scene="snow")
    found = open_samples(folder, "tuned", "duck")
    assert {item.truth for item in found.items} == {Truth(object="duck", colour=None, scene="snow")}


def test_samples_without_truth_are_asked_for_nothing_the_judges_know(store: Store) -> None:
    assert {item.truth for item in open_samples(samples(store), "tuned", "duck").items} == {Truth()}


def test_the_truth_of_real_pictures_is_read_from_their_metadata(store: Store) -> None:
    ref = image_set(store, "train", [picture(0)], extra='{"scene": "beach", "colour": 7}')
    assert open_pictures(store.folder(ref)).items[0].truth == Truth(scene="beach")
