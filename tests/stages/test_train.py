import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from safetensors.torch import load_file, save_file

from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import LatentSetRef
from moongate.config import CacheConfig, TrainConfig
from moongate.errors import ConfigError, NumericsError
from moongate.models.adapters import apply_adapter
from moongate.models.base import load_model
from moongate.progress import Silent
from moongate.report.reading import read_training
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.train import TrainInputs, recipe, train
from moongate.subject import SubjectConfig

CONFIG = TrainConfig(
    steps=4,
    learning_rate=1e-3,
    batch_size=2,
    warmup_steps=0,
    validate_every=2,
    checkpoint_every=2,
    num_validation_draws=2,
    train_text_encoder=False,
)
SUBJECT = SubjectConfig(class_noun="duck", identifier="sks")


@pytest.fixture
def inputs_in(base, put_images):
    """Training inputs in a store: five subject pictures, the same five as class and as held-out pictures."""

    def build(context) -> TrainInputs:
        images = put_images(context)

        def latents(subject):
            wanted = CacheInputs(images, base, subject=subject)
            return cache(CacheConfig(), wanted, context).ref

        mine, of_class = latents(SUBJECT), latents(None)
        return TrainInputs(base, "float32", "sks", "duck", 0, mine, of_class, mine)

    return build


@pytest.fixture
def inputs(inputs_in, context):
    return inputs_in(context)


def adapter_folder(config, inputs, context):
    return context.store.folder(train(config, inputs, context).ref)


def test_every_unet_weight_is_saved_and_what_should_move_moved(inputs, context):
    folder = adapter_folder(CONFIG.model_copy(update={"selection": "last"}), inputs, context)
    tuned = load_file(folder / "unet.safetensors")
    before = load_file(inputs.base.folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert tuned.keys() == before.keys()
    moved = [name for name in tuned if not torch.equal(tuned[name], before[name])]
    assert len(moved) > 0.9 * len(tuned)
    assert not (folder / "text_encoder.safetensors").exists()


def test_the_text_encoder_is_trained_when_asked_for(inputs, context):
    wanted = CONFIG.model_copy(update={"train_text_encoder": True, "selection": "last"})
    tuned = load_file(adapter_folder(wanted, inputs, context) / "text_encoder.safetensors")
    before = load_model(inputs.base, "cpu", "float32").text_encoder.state_dict()
    assert tuned.keys() <= before.keys()
    moved = [name for name in tuned if not torch.equal(tuned[name], before[name])]
    assert len(moved) > 0.9 * len(tuned)


def test_of_the_unet_only_the_layers_asked_for_are_tuned_and_saved(inputs, context):
    wanted = CONFIG.model_copy(update={"unet_layers": "attention", "selection": "last"})
    tuned = load_file(adapter_folder(wanted, inputs, context) / "unet.safetensors")
    before = load_file(inputs.base.folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert 0 < len(tuned) < len(before)
    assert all(".attn1." in name or ".attn2." in name for name in tuned)
    moved = [name for name in tuned if not torch.equal(tuned[name], before[name])]
    assert len(moved) > 0.9 * len(tuned)
    model = load_model(inputs.base, "cpu", "float32")
    apply_adapter(model, adapter_folder(wanted, inputs, context))
    state = model.unet.state_dict()
    assert all(torch.equal(state[name], tuned.get(name, before[name])) for name in before)


def test_activations_computed_twice_train_the_same_bits_at_the_same_address(inputs, context, monkeypatch):
    passes, forward = [], ResnetBlock2D.forward

    def counted(block, *arguments):
        passes.append(block)
        return forward(block, *arguments)

    monkeypatch.setattr(ResnetBlock2D, "forward", counted)
    kept = load_file(adapter_folder(CONFIG, inputs, context) / "unet.safetensors")
    usual, blocks = len(passes), len(set(passes))
    shutil.rmtree(adapter_folder(CONFIG, inputs, context))
    again = CONFIG.model_copy(update={"gradient_checkpointing": True})
    folder = adapter_folder(again, inputs, context)
    assert folder == adapter_folder(CONFIG, inputs, context)
    # Of a block without attention in the middle, one pass is all there is.
    assert CONFIG.steps * (blocks - 1) <= len(passes) - 2 * usual <= CONFIG.steps * blocks
    assert all(
        torch.equal(kept[name], tensor) for name, tensor in load_file(folder / "unet.safetensors").items()
    )


def test_each_step_and_validation_has_its_row(inputs, context):
    folder = adapter_folder(CONFIG, inputs, context)
    steps = pq.read_table(folder / "train_steps.parquet").to_pydict()
    assert steps["step"] == [0, 1, 2, 3]
    expected = [i + 1.0 * p for i, p in zip(steps["instance_loss"], steps["prior_loss"], strict=True)]
    assert steps["loss"] == pytest.approx(expected, rel=1e-5)
    validations = pq.read_table(folder / "validation.parquet").to_pydict()
    assert validations["step"] == [0, 2, 4]
    assert sum(validations["chosen"]) == 1
    chosen = validations["step"][validations["chosen"].index(True)]
    assert validations["validation_loss"][validations["chosen"].index(True)] == min(
        validations["validation_loss"]
    )
    assert json.loads((folder / "adapter.json").read_text())["step"] == chosen


def test_without_prior_preservation_there_is_no_prior_loss(inputs, context):
    folder = adapter_folder(
        CONFIG.model_copy(update={"prior_weight": 0.0}), replace(inputs, prior=None), context
    )
    assert pq.read_table(folder / "train_steps.parquet").column("prior_loss").null_count == 4


@pytest.fixture
def poisoned(inputs, context, tmp_path) -> TrainInputs:
    """The inputs with a NaN in the latent of one picture, as an artifact that is sound by its digests."""
    folder = tmp_path / "poisoned"
    shutil.copytree(context.store.folder(inputs.instance), folder)
    (shard,) = folder.glob("latents-*.safetensors")
    tensors = load_file(shard)
    tensors["mean"][2, 0, 0, 0] = torch.nan
    save_file(tensors, shard)
    (folder / "artifact.json").unlink()
    made = context.store.manifest(inputs.instance)
    copy = Recipe("cache", 99, SUBJECT, made.inputs, LatentSetRef)

    def build(into: Path) -> None:
        shutil.copytree(folder, into, dirs_exist_ok=True)

    obtained = context.store.obtain(copy, build)
    return replace(inputs, instance=obtained.ref, validation=None)


def test_a_nan_in_one_latent_is_traced_to_its_file_and_other_pictures_are_not_accused(poisoned, context):
    config = CONFIG.model_copy(update={"selection": "last", "batch_size": 5})
    with pytest.raises(NumericsError) as stopped:
        train(config, poisoned, context)
    assert stopped.value.why.count("2.png (instance)") == 3
    assert not {"0.png (instance)", "1.png (instance)", "3.png (instance)"} & set(
        re.findall(r"\d\.png \(instance\)", stopped.value.why)
    )
    assert not list(context.store.root.glob("artifacts/train/*"))


def test_tolerated_bad_steps_are_in_the_table_with_their_pictures_and_in_no_mean(poisoned, context):
    config = CONFIG.model_copy(update={"selection": "last", "batch_size": 1, "stop_after_bad_steps": 9})
    folder = adapter_folder(config, poisoned, context)
    rows = pq.read_table(folder / "train_steps.parquet").to_pylist()
    skipped = [row for row in rows if row["status"] == "skipped"]
    assert 0 < len(skipped) < len(rows)
    for row in rows:
        assert (row["loss"] is None) == (row["grad_norm"] is None) == (row["status"] == "skipped")
        assert ("2.png (instance)" in row["fault"]) == (row["status"] == "skipped")
    record = read_training(folder)
    assert [step.step for step in record.steps] == [row["step"] for row in rows if row["status"] == "ok"]
    assert len(record.incidents) == len(skipped)
    assert all(tensor.isfinite().all() for tensor in load_file(folder / "unet.safetensors").values())


def test_the_same_training_is_not_done_twice(inputs, context):
    assert not train(CONFIG, inputs, context).cached
    again = train(CONFIG, inputs, context)
    assert again.cached
    assert again.facts.unet_evals == 0


def test_unet_evaluations_are_counted_exactly(inputs, context):
    # 4 steps of 2 subject and 2 class pictures, and 3 validations of 5 pictures at 2 draws.
    assert train(CONFIG, inputs, context).facts.unet_evals == 4 * 4 + 3 * 5 * 2


class Killed(Silent):
    """Progress that ends the process's work after `steps` steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps + 1

    def track(self, description, total):
        from contextlib import contextmanager

        @contextmanager
        def bar():
            yield self.count

        return bar()

    def count(self, advanced: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_a_training_that_was_stopped_ends_with_the_weights_of_one_that_was_not(inputs_in, new_context):
    whole = new_context()
    expected = adapter_folder(CONFIG, inputs_in(whole), whole)
    stopped = new_context()
    inputs = inputs_in(stopped)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, inputs, replace(stopped, progress=Killed(3)))
    found = adapter_folder(CONFIG, inputs, stopped)
    for name, tensor in load_file(expected / "unet.safetensors").items():
        assert torch.equal(load_file(found / "unet.safetensors")[name], tensor)
    assert (found / "validation.parquet").read_bytes() == (expected / "validation.parquet").read_bytes()


def test_what_matters_changes_the_address_and_what_does_not_does_not(inputs):
    def digest(**changes):
        return recipe(CONFIG.model_copy(update=changes), inputs).digest

    assert digest(learning_rate=2e-3) != digest()
    assert digest(prior_weight=0.5) != digest()
    assert digest(checkpoint_every=100) == digest()
    assert recipe(CONFIG, replace(inputs, seed=1)).digest != digest()
    assert recipe(CONFIG, replace(inputs, identifier="zwx")).digest != digest()


def test_prior_preservation_without_class_pictures_is_refused(inputs, context):
    with pytest.raises(ConfigError, match="class pictures"):
        train(CONFIG, replace(inputs, prior=None), context)


def test_several_processes_are_refused_before_they_wait_for_each_other(inputs, context, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="one process"):
        train(CONFIG, inputs, context)


def test_float16_is_refused_before_anything_is_loaded(inputs, context):
    with pytest.raises(ConfigError, match="float16"):
        train(CONFIG, replace(inputs, precision="float16"), context)


def test_choosing_by_held_out_loss_without_held_out_pictures_is_refused(inputs, context):
    with pytest.raises(ConfigError, match="held-out"):
        train(CONFIG, replace(inputs, validation=None), context)
