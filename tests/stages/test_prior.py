import json
from dataclasses import replace

import numpy as np
import pytest

from moongate.artifacts.images import read_images
from moongate.config import PriorConfig
from moongate.errors import InputError
from moongate.stages.prior import PriorInputs, prior, recipe

CONFIG = PriorConfig(num_images=4, steps=3, guidance=3.0, batch_size=4)


@pytest.fixture
def inputs(base):
    return PriorInputs(base=base, precision="float32", prompt="a duck", seed=0)


def drawn(config, inputs, context):
    return read_images(context.store.folder(prior(config, inputs, context).ref))


def test_class_pictures_form_an_image_set_with_the_prompt_as_caption(inputs, context):
    pictures = drawn(CONFIG, inputs, context)
    assert [picture.text for picture in pictures] == ["a duck"] * 4
    assert [json.loads(picture.extra)["seed"] for picture in pictures] == [0, 1, 2, 3]
    assert {picture.pixels().shape for picture in pictures} == {(32, 32, 3)}
    assert len({picture.sha256 for picture in pictures}) == 4


def test_a_second_request_evaluates_no_unet(inputs, context):
    first, second = (prior(CONFIG, inputs, context) for _ in range(2))
    assert (first.cached, first.facts.unet_evals, first.facts.items) == (False, 4 * 3 * 2, 4)
    assert (second.cached, second.facts.unet_evals, second.facts.items) == (True, 0, 4)
    assert second.ref == first.ref


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_picture_does_not_depend_on_its_batch(batch_size, inputs, new_context):
    whole = drawn(CONFIG, inputs, new_context())
    parts = drawn(CONFIG.model_copy(update={"batch_size": batch_size}), inputs, new_context())
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.pixels().astype(int), other.pixels().astype(int), atol=1)


def test_a_picture_is_its_seeds_wherever_counting_begins(inputs, new_context):
    from_0 = drawn(CONFIG, inputs, new_context())
    from_2 = drawn(CONFIG.model_copy(update={"first_seed": 2, "num_images": 2}), inputs, new_context())
    assert [picture.image_id for picture in from_2] == [picture.image_id for picture in from_0[2:]]
    for one, other in zip(from_2, from_0[2:], strict=True):
        np.testing.assert_allclose(one.pixels().astype(int), other.pixels().astype(int), atol=1)


def test_another_run_seed_gives_other_pictures(inputs, context):
    ours, others = (drawn(CONFIG, replace(inputs, seed=seed), context) for seed in (0, 1))
    assert not {picture.sha256 for picture in ours} & {picture.sha256 for picture in others}


@pytest.mark.parametrize("change", [{"guidance": 2.0}, {"steps": 4}, {"num_images": 5}, {"first_seed": 1}])
def test_what_changes_the_pictures_changes_the_address(change, inputs):
    assert recipe(CONFIG.model_copy(update=change), inputs).digest != recipe(CONFIG, inputs).digest


@pytest.mark.parametrize("change", [{"prompt": "a cat"}, {"precision": "bfloat16"}, {"seed": 1}])
def test_what_they_are_drawn_from_changes_the_address(change, inputs):
    assert recipe(CONFIG, replace(inputs, **change)).digest != recipe(CONFIG, inputs).digest


def test_the_batch_size_does_not_change_the_address(inputs):
    assert recipe(CONFIG.model_copy(update={"batch_size": 1}), inputs).digest == recipe(CONFIG, inputs).digest


def test_a_prompt_that_does_not_fit_is_refused_and_nothing_is_kept(inputs, context):
    with pytest.raises(InputError, match="too long"):
        prior(CONFIG, replace(inputs, prompt="a duck " * 20), context)
    assert not list(context.store.root.glob("artifacts/prior/*"))
