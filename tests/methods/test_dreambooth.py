from dataclasses import replace

import pytest
import torch

from moongate.artifacts.latents import LatentSet, LatentWriter, write_prompts
from moongate.diffusion.losses import dreambooth_loss
from moongate.diffusion.noise import gaussian
from moongate.errors import NumericsError
from moongate.methods.conditioning import CachedText
from moongate.methods.dreambooth import DreamBoothData, DreamBoothObjective, drawn_rows
from moongate.models.base import load_model
from moongate.models.source import BaseSource
from moongate.models.text import encode_prompts


@pytest.fixture
def model(tiny_model):
    return load_model(BaseSource(tiny_model, "tiny"), "cpu", "float32")


@pytest.fixture
def latent_set(model, tmp_path):
    """Writes three latents with one prompt."""

    def write(name: str, prompt: str) -> LatentSet:
        folder = tmp_path / name
        folder.mkdir()
        write_prompts(folder, [prompt], encode_prompts(model, [prompt]))
        writer = LatentWriter(folder, 10, [prompt])
        for item in range(3):
            mean = gaussian(model.latent_shape, seed=1, purpose=name, item=item)
            writer.add(f"{name}{item}", "0" * 64, prompt, mean, torch.full_like(mean, 0.01))
        writer.finish({})
        return LatentSet(folder)

    return write


@pytest.fixture
def data(latent_set):
    instance = latent_set("instance", "a sks duck")
    return DreamBoothData(instance, latent_set("prior", "a duck"), instance)


@pytest.fixture
def objective_of(model, data):
    def build(data=data, **changes):
        options = {"batch_size": 4, "prior_weight": 0.7, "validation_draws": 3, "seed": 0, **changes}
        return DreamBoothObjective(model, data, CachedText(), **options)

    return build


def test_the_loss_is_instance_plus_weighted_prior(objective_of):
    losses = objective_of()(0, range(4))
    expected = losses.parts["instance"] + 0.7 * losses.parts["prior"]
    torch.testing.assert_close(losses.total, expected)
    torch.testing.assert_close(
        losses.total, dreambooth_loss(losses.parts["instance"][None], losses.parts["prior"][None], 0.7)
    )


def test_a_slot_is_the_same_whatever_slots_are_computed_with_it(objective_of):
    objective = objective_of()
    together = objective(5, range(4)).total
    apart = torch.stack([objective(5, [slot]).total for slot in range(4)]).mean()
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-6)


def test_steps_slots_and_seeds_draw_differently(objective_of):
    objective = objective_of()
    values = [float(objective(step, [slot]).total.detach()) for step in range(2) for slot in range(2)]
    values.append(float(objective_of(seed=1)(0, [0]).total.detach()))
    assert len(set(values)) == 5


def test_the_instance_term_does_not_depend_on_the_prior(objective_of, data):
    alone = objective_of(data=DreamBoothData(data.instance, None, None), prior_weight=0.0)(2, range(4))
    beside = objective_of()(2, range(4))
    torch.testing.assert_close(alone.total, beside.parts["instance"], rtol=1e-5, atol=1e-6)


def test_validation_is_the_same_number_every_time_and_sees_the_weights(objective_of):
    objective = objective_of()
    with torch.no_grad():
        first, again = objective.validation_loss(), objective.validation_loss()
        for parameter in objective.unet.parameters():
            parameter.mul_(1.1)
        changed = objective.validation_loss()
    assert first == again
    assert changed != first


def test_every_picture_is_used_equally_often():
    rows = [row for step in range(6) for row in drawn_rows(0, "instance", step * 4, range(4), 3)]
    assert {row: rows.count(row) for row in rows} == {0: 8, 1: 8, 2: 8}


def test_only_the_unet_is_trained_when_the_text_is_cached(objective_of, model):
    names = {name.split(".")[0] for name in objective_of().trained_parameters()}
    assert names == {"unet"}
    assert not any(parameter.requires_grad for parameter in model.text_encoder.parameters())


def test_a_slots_ingredients_are_the_pictures_that_it_is_computed_from(objective_of, data):
    objective = objective_of(data=replace(data, file_names={"instance0": "first.png"}))
    named = objective.ingredients(1, range(4))
    rows = [drawn_rows(0, purpose, 4, range(4), 3) for purpose in ("instance", "prior")]
    called = {0: "first.png", 1: "instance1", 2: "instance2"}
    assert named == tuple(
        f"{called[mine]} (instance) with prior{other} (prior)" for mine, other in zip(*rows, strict=True)
    )


def test_what_is_not_trained_is_declared_frozen(objective_of, model):
    assert objective_of().frozen_modules() == {"vae": model.vae, "text_encoder": model.text_encoder}


def test_a_held_out_latent_that_is_not_finite_is_named(objective_of, data, latent_set):
    latents = latent_set("held out", "a sks duck")
    nan_in_the_second = torch.tensor([1.0, torch.nan, 1.0]).view(3, 1, 1, 1)
    latents.means = lambda rows: data.instance.means(rows) * nan_in_the_second
    with pytest.raises(NumericsError, match="held out1"), torch.no_grad():
        objective_of(data=replace(data, validation=latents)).validation_loss()
