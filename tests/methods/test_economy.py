"""What makes training fast: nothing is computed in the loop that was computed before, and nothing waits."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode

from moongate.artifacts.latents import LatentSet, LatentWriter, write_prompts
from moongate.diffusion.noise import gaussian
from moongate.methods.conditioning import CachedText, Conditioning, TrainedText
from moongate.methods.dreambooth import DreamBoothData, DreamBoothObjective
from moongate.models.base import DiffusionModel, load_model
from moongate.models.source import BaseSource
from moongate.models.text import encode_prompts
from moongate.progress import Silent
from moongate.training.checkpoints import Checkpoints
from moongate.training.fit import FitPlan, fit
from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator

BATCH, STEPS, DRAWS, PICTURES = 4, 3, 2, 3
# Each of these hands a number to Python, which on a GPU waits for everything that was asked of it before.
WAITING = {"item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__", "nonzero"}


@pytest.fixture
def model(tiny_sd1: Path) -> DiffusionModel:
    return load_model(BaseSource(tiny_sd1, "tiny"), "cpu", "float32")


@pytest.fixture
def trainer(model: DiffusionModel, tmp_path: Path) -> Trainer:
    return trainer_of(model, CachedText(), tmp_path)


@pytest.fixture(params=["frozen", "tuned"])
def either_trainer(request, model: DiffusionModel, tmp_path: Path) -> Trainer:
    text = {"frozen": CachedText, "tuned": lambda: TrainedText(model)}[request.param]()
    return trainer_of(model, text, tmp_path)


def trainer_of(model: DiffusionModel, conditioning: Conditioning, tmp_path: Path) -> Trainer:
    data = DreamBoothData(*(latent_set(model, tmp_path / name) for name in ("a sks duck", "a duck", "kept")))
    objective = DreamBoothObjective(
        model, data, conditioning, batch_size=BATCH, prior_weight=1.0, validation_draws=DRAWS, seed=0
    )
    settings = OptimizerSettings(steps=STEPS, learning_rate=1e-4)
    return Trainer(objective, settings, build_accelerator(torch.device("cpu"), "float32"))


def latent_set(model: DiffusionModel, folder: Path) -> LatentSet:
    folder.mkdir()
    write_prompts(folder, [folder.name], encode_prompts(model, [folder.name]))
    writer = LatentWriter(folder, 10, [folder.name])
    for item in range(PICTURES):
        mean = gaussian(model.latent_shape, seed=1, purpose=folder.name, item=item)
        writer.add(f"{folder.name}{item}", "0" * 64, folder.name, mean, torch.full_like(mean, 0.01))
    writer.finish({})
    return LatentSet(folder)


@contextmanager
def samples_through(**modules: torch.nn.Module) -> Iterator[Counter[str]]:
    """Count the samples that pass forward through modules, by the names given."""
    seen: Counter[str] = Counter()

    def counting(name: str):
        def hook(_module, arguments) -> None:
            seen[name] += len(arguments[0])

        return hook

    hooks = [module.register_forward_pre_hook(counting(name)) for name, module in modules.items()]
    yield seen
    for hook in hooks:
        hook.remove()


class Waits(TorchFunctionMode):
    """Counts the calls that hand numbers of floating tensors to Python; draws of whole numbers are on the CPU
    by construction, whatever the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        name = getattr(function, "__name__", "")
        tensor = next((one for one in arguments if isinstance(one, torch.Tensor)), None)
        if name in WAITING and tensor is not None and tensor.is_floating_point():
            self.calls[name] += 1
        return function(*arguments, **(keywords or {}))


def test_training_runs_neither_the_vae_nor_the_text_encoder_and_the_unet_as_often_as_planned(
    model: DiffusionModel, trainer: Trainer, tmp_path: Path
) -> None:
    parts = {"encoder": model.vae.encoder, "decoder": model.vae.decoder, "text": model.text_encoder}
    plan = FitPlan(validate_every=1, checkpoint_every=1, selection="validation_loss")
    with samples_through(unet=model.unet, **parts) as seen:
        fit(trainer, plan, Checkpoints(tmp_path / "checkpoints", "x"), Silent())
    validations = 1 + STEPS
    assert seen == {"unet": STEPS * BATCH * 2 + validations * DRAWS * PICTURES}


def test_a_trained_text_encoder_reads_each_distinct_prompt_once_at_a_time(
    model: DiffusionModel, tmp_path: Path
) -> None:
    trainer = trainer_of(model, TrainedText(model), tmp_path)
    plan = FitPlan(validate_every=STEPS, selection="validation_loss")
    with samples_through(vae=model.vae.encoder, text=model.text_encoder) as seen:
        fit(trainer, plan, Checkpoints(tmp_path / "checkpoints", "x"), Silent())
    subject_and_class, validations = 2, 2
    assert seen == {"text": STEPS * subject_and_class + validations * DRAWS}


def test_a_step_waits_for_its_device_once(either_trainer: Trainer) -> None:
    either_trainer.advance()
    with Waits() as waits:
        either_trainer.advance()
    assert waits.calls == {"tolist": 1}


def test_waiting_would_be_counted() -> None:
    with Waits() as waits:
        assert float(torch.ones(())) + torch.ones(()).item() == 2.0
        assert bool(torch.ones(()) > 0)
    assert waits.calls == {"__float__": 1, "item": 1}
