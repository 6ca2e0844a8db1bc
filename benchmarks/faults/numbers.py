"""Numbers that go wrong, and memory that runs out."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from typing_extensions import override

from benchmarks.faults.case import NOTHING, Case, Seen, refusal
from benchmarks.faults.workplace import BASE, SUBJECT, TRAINING, Workplace
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import LatentSetRef
from moongate.methods.conditioning import CachedText
from moongate.methods.dreambooth import DreamBoothData, DreamBoothObjective
from moongate.models.base import load_model
from moongate.training.objective import Losses
from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator

# Far more than any machine has, so that the allocator itself refuses it.
_TOO_MUCH_BYTES = 2**60


class _Demanding(DreamBoothObjective):
    """Asks the allocator for too much when it gets more than `room` slots at once."""

    room = 0

    @override
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        if len(slots) > self.room:
            torch.empty(_TOO_MUCH_BYTES, dtype=torch.uint8)
        return super().forward(step, slots)


def _nan_in_a_latent(folder: Path) -> Seen:
    place = Workplace(folder)
    sound = place.latents().ref
    # Few steps draw every picture, but not one of them as often as is tolerated.
    strict = TRAINING.model_copy(update={"stop_after_bad_steps": 1})
    message = refusal(lambda: place.train(_poisoned(place, sound), strict))
    trained = list(place.context.store.root.glob("artifacts/train/*"))
    again = place.train(sound)
    return Seen(message, NOTHING, "with sound latents the training is made", not trained and not again.cached)


def _diverging(folder: Path) -> Seen:
    place = Workplace(folder)
    wild = TRAINING.model_copy(update={"learning_rate": 1e30, "steps": 12})
    message = refusal(lambda: place.train(config=wild))
    kept = list(place.context.store.root.glob("artifacts/train/*"))
    again = place.train()
    return Seen(message, NOTHING, "with another rate the training is made", not kept and not again.cached)


def _tolerated(folder: Path) -> Seen:
    place = Workplace(folder)
    patient = TRAINING.model_copy(update={"batch_size": 1, "steps": 6, "stop_after_bad_steps": 6})
    ref = place.train(_poisoned(place, place.latents().ref), patient).ref
    adapter = place.context.store.folder(ref)
    rows = pq.read_table(adapter / "train_steps.parquet").to_pylist()
    skipped = [row for row in rows if row["status"] == "skipped"]
    finite = all(bool(tensor.isfinite().all()) for tensor in load_file(adapter / "unet.safetensors").values())
    lost = f"{len(skipped)} of {len(rows)} steps, each with its row"
    goes_on = "the other steps are made, and all weights are finite"
    return Seen(skipped[0]["fault"], lost, goes_on, finite and 0 < len(skipped) < len(rows))


def _poisoned(place: Workplace, sound: LatentSetRef) -> LatentSetRef:
    """Put a copy of latents with a NaN in one of them into the store, right by all its digests."""
    original = place.context.store.folder(sound)

    def build(folder: Path) -> None:
        shutil.copytree(original, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("artifact.json"))
        shard = folder / "latents-00000.safetensors"
        tensors = load_file(shard)
        tensors["mean"][1, 0, 0, 0] = torch.nan
        save_file(tensors, shard)

    inputs = place.context.store.manifest(sound).inputs
    return place.context.store.obtain(Recipe("cache", 0, SUBJECT, inputs, LatentSetRef), build).ref


def _halved(folder: Path) -> Seen:
    latents = LatentSet(Workplace(folder).context.store.folder(Workplace(folder).latents().ref))
    whole, tight = _trained(latents, room=4), _trained(latents, room=1)
    gap = max(float((whole[1][name] - tight[1][name]).abs().max()) for name in whole[1])
    said = f"micro-batch {whole[0]} -> {tight[0]} (DefaultCPUAllocator: can't allocate memory)"
    return Seen(said, NOTHING, f"the same weights within {gap:.0e}", tight[0] == 1 and gap < 1e-5)


def _below_one(folder: Path) -> Seen:
    latents = LatentSet(Workplace(folder).context.store.folder(Workplace(folder).latents().ref))
    trainer = _trainer(latents, batch_size=4, room=0)
    before = trainer.weights()
    message = refusal(trainer.advance)
    same = all(torch.equal(before[name], tensor) for name, tensor in trainer.weights().items())
    return Seen(message, NOTHING, "no weight has moved", same)


def _frozen_moved(folder: Path) -> Seen:
    latents = LatentSet(Workplace(folder).context.store.folder(Workplace(folder).latents().ref))
    trainer = _trainer(latents, batch_size=1, room=1, steps=2)
    trainer.advance()
    frozen: nn.Module = trainer.objective.frozen_modules()["vae"]
    with torch.no_grad():
        next(frozen.parameters()).mul_(1.001)
    message = refusal(trainer.advance)
    return Seen(message, "the steps before the check, 20 at most", "the objective must be mended", True)


def _trained(latents: LatentSet, room: int) -> tuple[int, dict[str, Tensor]]:
    trainer = _trainer(latents, batch_size=4, room=room)
    rows = [trainer.advance() for _ in range(2)]
    return rows[-1].micro_batch, trainer.weights()


def _trainer(latents: LatentSet, batch_size: int, room: int, steps: int = 100) -> Trainer:
    model = load_model(BASE, "cpu", "float32")
    objective = _Demanding(
        model,
        DreamBoothData(latents, None, None),
        CachedText(),
        batch_size=batch_size,
        prior_weight=0.0,
        validation_draws=1,
        seed=0,
    )
    objective.room = room
    settings = OptimizerSettings(steps=steps, learning_rate=1e-4)
    return Trainer(objective, settings, build_accelerator(model.device, "float32"))


NUMBERS = (
    Case("a NaN in the latent of one picture", _nan_in_a_latent, ".png (instance)"),
    Case("a NaN in one latent, six bad steps tolerated", _tolerated, ".png (instance)"),
    Case("a learning rate that diverges", _diverging, "stop_after_bad_steps"),
    Case("a frozen module that moves", _frozen_moved, "what is frozen has moved"),
)
MEMORY = (
    Case("an allocator that refuses more than one picture", _halved, "micro-batch 4 -> 1"),
    Case("an allocator that refuses a single picture", _below_one, "a single picture needs more memory"),
)
