from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from moongate.artifacts.images import pixels_from_png
from moongate.config import CacheConfig, InvertConfig, SampleConfig
from moongate.errors import ConfigError, InputError
from moongate.prompts import PromptRow, class_prompt
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.invert import InvertInputs, invert
from moongate.stages.sample import SampleInputs, recipe, sample
from moongate.subject import SubjectConfig

SUBJECT = SubjectConfig(class_noun="duck", identifier="sks")
PROMPTS = (
    PromptRow("snow", "a {subject} in the snow", "recontextualization", scene="snow"),
    PromptRow("red", "a red {subject}", "property", colour="red", object="duck"),
)
CONFIG = SampleConfig(steps=3, seeds_per_prompt=4, batch_size=8, class_images=3)


@pytest.fixture
def inputs(base):
    return SampleInputs(base=base, precision="float32", subject=SUBJECT, seed=0, prompts=PROMPTS)


def rows_of(config, inputs, context):
    ref = sample(config, inputs, context).ref
    return pq.read_table(context.store.folder(ref) / "samples.parquet").to_pylist()


def pixels(rows) -> np.ndarray:
    return np.stack([pixels_from_png(row["image"]["bytes"]) for row in rows]).astype(int)


def test_there_is_a_row_for_each_prompt_and_seed_with_what_drew_it(inputs, context):
    rows = rows_of(CONFIG.model_copy(update={"first_seed": 5}), inputs, context)
    assert [(row["prompt_id"], row["seed"]) for row in rows] == [
        (prompt_id, seed) for prompt_id in ("snow", "red") for seed in (5, 6, 7, 8)
    ]
    assert len({row["sample_id"] for row in rows}) == 8
    first = {
        name: rows[0][name] for name in ("model", "prompt", "template", "kind", "source", "sampler", "steps")
    }
    assert first == {
        "model": "base",
        "prompt": "a duck in the snow",
        "template": "a {subject} in the snow",
        "kind": "recontextualization",
        "source": "noise",
        "sampler": "ddim",
        "steps": 3,
    }


def test_what_a_right_picture_shows_is_carried_along(inputs, context):
    rows = rows_of(CONFIG, inputs, context)
    shown = [tuple(row[name] for name in ("object", "colour", "scene", "size")) for row in (rows[0], rows[4])]
    assert shown == [("duck", None, "snow", None), ("duck", "red", None, None)]


def test_a_second_request_evaluates_no_unet(inputs, context):
    first, second = (sample(CONFIG, inputs, context) for _ in range(2))
    assert (first.cached, first.facts.unet_evals, first.facts.items) == (False, 8 * 3 * 2, 8)
    assert (second.cached, second.facts.unet_evals) == (True, 0)


@pytest.mark.parametrize("change", [{}, {"eta": 0.7}, {"sampler": "ddpm"}])
def test_a_picture_does_not_depend_on_its_batch(change, inputs, new_context):
    config = CONFIG.model_copy(update=change)
    whole = pixels(rows_of(config, inputs, new_context()))
    for batch_size in (1, 3):
        parts = rows_of(config.model_copy(update={"batch_size": batch_size}), inputs, new_context())
        np.testing.assert_allclose(pixels(parts), whole, atol=1)


def test_seeds_prompts_and_run_seeds_give_different_pictures(inputs, context):
    found = [
        *pixels(rows_of(CONFIG, inputs, context)),
        *pixels(rows_of(CONFIG, replace(inputs, seed=1), context)),
    ]
    assert len({picture.tobytes() for picture in found}) == 16


def test_sampler_eta_and_guidance_change_the_pictures(inputs, context):
    changes = [
        {},
        {"eta": 1.0},
        {"sampler": "ddpm"},
        {"guidance": 9.0},
        {"guidance": 9.0, "guidance_rescale": 0.7},
        {"guidance": 9.0, "guidance_start": 0.4},
        {"guidance": 9.0, "negative_prompt": "snow"},
    ]
    one_picture = CONFIG.model_copy(update={"seeds_per_prompt": 1})
    found = [pixels(rows_of(one_picture.model_copy(update=change), inputs, context))[0] for change in changes]
    assert len({picture.tobytes() for picture in found}) == len(changes)


def test_guidance_outside_its_interval_costs_nothing(inputs, context):
    half = sample(CONFIG.model_copy(update={"guidance_stop": 0.5}), inputs, context)
    off = sample(CONFIG.model_copy(update={"guidance": 1.0}), inputs, context)
    # Steps 0 and 1 of 3 begin before half of the way.
    assert (half.facts.unet_evals, off.facts.unet_evals) == (8 * (2 + 2 + 1), 8 * 3)


def test_a_tuned_model_is_asked_by_the_identifier_and_starts_from_the_same_noise(
    inputs, context, put_adapter
):
    tuned = replace(inputs, adapter=put_adapter(context))
    rows = rows_of(CONFIG, tuned, context)
    assert {row["model"] for row in rows} == {"tuned"}
    assert rows[0]["prompt"] == "a sks duck in the snow"
    base_rows = rows_of(CONFIG, inputs, context)
    assert [row["sample_id"] for row in rows] == [row["sample_id"] for row in base_rows]
    ours, theirs = pixels(rows), pixels(base_rows)
    own_distance = np.abs(ours - theirs).mean()
    to_another_seed = np.abs(ours - np.roll(theirs, 1, axis=0)).mean()
    assert 0 < own_distance < to_another_seed / 2


def test_a_class_prompt_gets_its_own_number_of_pictures_and_never_the_identifier(
    inputs, context, put_adapter
):
    tuned = replace(inputs, prompts=(class_prompt(SUBJECT),), adapter=put_adapter(context))
    rows = rows_of(CONFIG, tuned, context)
    assert [(row["kind"], row["prompt"], row["seed"]) for row in rows] == [
        ("class", "a duck", s) for s in range(3)
    ]


@pytest.mark.parametrize(
    "change",
    [{"guidance": 2.0}, {"steps": 4}, {"eta": 0.5}, {"seeds_per_prompt": 5}, {"negative_prompt": "snow"}],
)
def test_what_changes_the_pictures_changes_the_address(change, inputs):
    assert recipe(CONFIG.model_copy(update=change), inputs).digest != recipe(CONFIG, inputs).digest


@pytest.mark.parametrize("change", [{"batch_size": 1}, {"class_images": 9}, {"prompts": "elsewhere.jsonl"}])
def test_what_does_not_keeps_it(change, inputs):
    assert recipe(CONFIG.model_copy(update=change), inputs).digest == recipe(CONFIG, inputs).digest


def test_an_edited_prompt_changes_the_address(inputs):
    edited = (PROMPTS[0], replace(PROMPTS[1], template="a blue {subject}"))
    assert recipe(CONFIG, replace(inputs, prompts=edited)).digest != recipe(CONFIG, inputs).digest


def test_a_prompt_that_does_not_fit_is_refused(inputs, context):
    long = replace(inputs, prompts=(PromptRow("long", "a {subject}" + " in the snow" * 6, "property"),))
    with pytest.raises(InputError, match="too long"):
        sample(CONFIG, long, context)


def test_prompts_and_inversions_exclude_each_other(inputs):
    with pytest.raises(ValueError, match="not both"):
        replace(inputs, prompts=())


@pytest.fixture(scope="module")
def inverted(base, new_context, put_images):
    """A store with inversions in 8 steps under the base model, and the inputs to draw from them."""
    context = new_context()
    images = put_images(context)
    latents = cache(CacheConfig(), CacheInputs(images, base), context).ref
    config = InvertConfig(steps=8, refinement_iterations=6, tolerance=1e-5)
    ref = invert(config, InvertInputs(base, "float32", images, latents), context).ref
    return context, SampleInputs(base, "float32", SUBJECT, 0, inversions=ref)


AGAIN = SampleConfig(steps=8, guidance=1.0, batch_size=2)


def test_inverted_latents_give_back_their_pictures_under_the_same_model(inverted):
    context, inputs = inverted
    rows = rows_of(AGAIN, inputs, context)
    assert [row["source"] for row in rows] == [f"inversion:p{number}" for number in (5, 6, 7, 8, 9)]
    inversions = pq.read_table(context.store.folder(inputs.inversions) / "inversions.parquet").to_pylist()
    floors = [pixels_from_png(row["floor"]["bytes"]).astype(int) for row in inversions[::2]]
    np.testing.assert_allclose(pixels(rows), np.stack(floors), atol=1)


def test_under_the_tuned_model_the_subject_takes_the_place_of_the_class(inverted, put_adapter):
    context, inputs = inverted
    rows = rows_of(AGAIN, replace(inputs, adapter=put_adapter(context)), context)
    assert [row["prompt"] for row in rows] == [
        "a photo of the beach",
        "a red sks duck",
        "a sks duck in the snow",
        "a blue sks duck",
        "a red sks duck",
    ]
    assert [row["template"] for row in rows][:2] == ["a photo of the beach", "a red {subject}"]
    assert {row["kind"] for row in rows} == {"inversion"}
    same = pixels(rows_of(AGAIN, inputs, context))
    assert (np.abs(pixels(rows) - same).mean(axis=(1, 2, 3)) > 0.1).all()


def test_sampling_from_another_level_than_inversion_ended_at_is_refused(inverted):
    context, inputs = inverted
    with pytest.raises(ConfigError, match="level 876.*level 901"):
        sample(AGAIN.model_copy(update={"steps": 10}), inputs, context)
