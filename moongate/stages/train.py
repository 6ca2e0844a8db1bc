"""Train: latents of a subject and of its class, and a base model, to an adapter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moongate.artifacts.images import read_file_names
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef, ImageSetRef, LatentSetRef
from moongate.artifacts.room import bytes_in
from moongate.artifacts.schemas import TRAIN_STEPS, VALIDATION
from moongate.artifacts.store import BuildFacts, Obtained, Store
from moongate.artifacts.tables import write_table
from moongate.config import TrainConfig
from moongate.errors import ConfigError, StoreError
from moongate.models.footprint import Footprint, tuned_unet_bytes
from moongate.models.source import BaseSource
from moongate.settings import Settings
from moongate.stages.context import StageContext

if TYPE_CHECKING:
    from torch import Tensor

    from moongate.methods.dreambooth import DreamBoothObjective
    from moongate.models.base import DiffusionModel
    from moongate.training.fit import Fit

STAGE = "train"
REVISION = 4
# A step halves its micro-batch by itself, so it was something else.
_WHEN_MEMORY_RUNS_OUT = (
    "set train.gradient_checkpointing=true, which changes nothing else; or use a device with more memory, or "
    "fewer held-out pictures, which are judged all at once; the same command then goes on from the last "
    "checkpoint"
)


class TrainSettings(Settings):
    """What decides an adapter, beside its inputs."""

    train: TrainConfig
    precision: str
    identifier: str
    class_noun: str
    seed: int


@dataclass(frozen=True)
class TrainInputs:
    """What an adapter is trained on.

    Attributes:
        base: the model that is tuned.
        precision: arithmetic inside the network.
        identifier: the rare word that comes to mean the subject.
        class_noun: what kind of thing it is.
        seed: seed of the run.
        instance: latents of the subject's pictures.
        prior: latents of the class pictures, or None when `prior_weight` is 0.
        validation: latents of held-out pictures of the subject, or None.
    """

    base: BaseSource
    precision: str
    identifier: str
    class_noun: str
    seed: int
    instance: LatentSetRef
    prior: LatentSetRef | None
    validation: LatentSetRef | None


def recipe(config: TrainConfig, inputs: TrainInputs) -> Recipe[AdapterRef]:
    """Return the adapter's recipe.

    How often checkpoints are written, and whether activations are kept or computed twice, does not matter to
    the result and is left out.

    Raises:
        ConfigError: when the configuration asks for what the inputs do not have.
    """
    _check_means(inputs.precision)
    _check_inputs(config, inputs)
    optional = {"prior": inputs.prior, "validation": inputs.validation}
    return Recipe(
        stage=STAGE,
        revision=REVISION,
        settings=TrainSettings(
            train=config.model_copy(update={"checkpoint_every": 1, "gradient_checkpointing": False}),
            precision=inputs.precision,
            identifier=inputs.identifier,
            class_noun=inputs.class_noun,
            seed=inputs.seed,
        ),
        inputs=(
            ("base", inputs.base.digest()),
            ("instance", inputs.instance.digest),
            *((name, ref.digest) for name, ref in optional.items() if ref is not None),
        ),
        ref_type=AdapterRef,
    )


def train(config: TrainConfig, inputs: TrainInputs, context: StageContext) -> Obtained[AdapterRef]:
    """Tune the base model on the subject, and keep the step that the configured rule chooses.

    Checkpoints go to the store's scratch folder; after a crash the same call goes on from the last one.
    The adapter's folder holds the changed weights in safetensors, `adapter.json`, `train_steps.parquet` and,
    with held-out pictures, `validation.parquet`.

    Raises:
        ConfigError: see `recipe`.
        NumericsError: when losses or gradients are not finite, or the wrong weights moved.
        CapacityError: when the memory does not suffice for one picture at a time.
        StopError: after a step and its checkpoint, when the process was asked to stop.
    """
    recipe_ = recipe(config, inputs)

    def build(folder: Path) -> BuildFacts:
        from moongate.models.stage_model import leased_model

        context.store.require_room(_room(config, inputs, context.store.scratch(recipe_)), STAGE)
        with leased_model(
            inputs.base,
            precision=inputs.precision,
            device=context.device,
            when_memory_runs_out=_WHEN_MEMORY_RUNS_OUT,
        ) as model:
            objective = _objective(config, inputs, context, model)
            scratch = context.store.scratch(recipe_)
            outcome = _fit(config, objective, model, context, scratch, recipe_.digest)
            _write(folder, outcome, config, inputs)
            evaluations = _evaluations(config, inputs, objective, outcome)
            return BuildFacts(items=config.steps, unet_evals=evaluations, device=str(model.device))

    return context.store.obtain(recipe_, build)


def _room(config: TrainConfig, inputs: TrainInputs, scratch: Path) -> int:
    """Return the most bytes that are still to be written: the checkpoints, less those there, and the adapter.

    A checkpoint holds the weights, two moments of each and, where there are such, their average and the best
    so far. Two are kept while a third is written.
    """
    trained = tuned_unet_bytes(inputs.base, config.unet_layers)
    trained += Footprint.of(inputs.base).text_encoder if config.train_text_encoder else 0
    each = 3 + (config.ema_decay is not None) + (config.selection == "validation_loss")
    kept = min(3, -(-config.steps // config.checkpoint_every))
    return max(0, kept * each * trained - bytes_in(scratch)) + trained


def _check_means(precision: str) -> None:
    if (processes := int(os.environ.get("WORLD_SIZE", "1"))) > 1:
        raise ConfigError(
            "a run is driven by one process",
            where="WORLD_SIZE",
            why=f"it is {processes}: each of them would wait for the artifacts that another one builds",
            fix="start it without torchrun or accelerate launch; several runs share several GPUs",
        )
    if precision == "float16":
        raise ConfigError(
            "training in float16 is not offered",
            where="base.precision",
            why="its loss scaler skips steps now and then, so that a resumed run would not be the same run",
            fix="set base.precision to bfloat16, or to float32 on a device without bfloat16",
        )


def _check_inputs(config: TrainConfig, inputs: TrainInputs) -> None:
    if config.prior_weight > 0 and inputs.prior is None:
        raise ConfigError(
            "prior preservation has no class pictures",
            where="train.prior_weight",
            why=f"the weight is {config.prior_weight}, and the prior stage gave nothing",
            fix="run the prior and cache stages first, or set train.prior_weight=0",
        )
    if config.selection == "validation_loss" and inputs.validation is None:
        raise ConfigError(
            "there are no held-out pictures to choose a step by",
            where="train.selection",
            why="it is validation_loss, and the subject has no holdout folder",
            fix="set subject.holdout_folder to pictures kept from training, or train.selection=last",
        )


def _objective(
    config: TrainConfig, inputs: TrainInputs, context: StageContext, model: DiffusionModel
) -> DreamBoothObjective:
    from moongate.artifacts.latents import LatentSet
    from moongate.methods.conditioning import CachedText, TrainedText
    from moongate.methods.dreambooth import DreamBoothData, DreamBoothObjective

    def latents(ref: LatentSetRef) -> LatentSet:
        return LatentSet(context.store.folder(ref))

    if config.gradient_checkpointing:
        model.unet.enable_gradient_checkpointing()
    data = DreamBoothData(
        instance=latents(inputs.instance),
        prior=latents(inputs.prior) if inputs.prior is not None and config.prior_weight > 0 else None,
        validation=latents(inputs.validation) if inputs.validation is not None else None,
        file_names=_file_names(context.store, (inputs.instance, inputs.prior, inputs.validation)),
    )
    return DreamBoothObjective(
        model,
        data,
        TrainedText(model) if config.train_text_encoder else CachedText(),
        batch_size=config.batch_size * config.gradient_accumulation,
        prior_weight=config.prior_weight,
        validation_draws=config.num_validation_draws,
        seed=inputs.seed,
        unet_layers=config.unet_layers,
    )


def _file_names(store: Store, sets: Sequence[LatentSetRef | None]) -> dict[str, str]:
    """Return the file name of every picture by its id, as far as the image sets are still in the store."""
    names: dict[str, str] = {}
    for ref in filter(None, sets):
        digest = dict(store.manifest(ref).inputs)["images"]
        with suppress(StoreError):
            names |= read_file_names(store.folder(ImageSetRef(digest)))
    return names


def _fit(
    config: TrainConfig,
    objective: DreamBoothObjective,
    model: DiffusionModel,
    context: StageContext,
    scratch: Path,
    identity: str,
) -> Fit:
    from moongate.training.checkpoints import Checkpoints
    from moongate.training.fit import FitPlan, fit
    from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator

    settings = OptimizerSettings(
        steps=config.steps,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        gradient_accumulation=config.gradient_accumulation,
        ema_decay=config.ema_decay,
        stop_after_bad_steps=config.stop_after_bad_steps,
    )
    trainer = Trainer(objective, settings, build_accelerator(model.device, model.precision))
    plan = FitPlan(
        validate_every=config.validate_every if objective.can_validate else 0,
        checkpoint_every=config.checkpoint_every,
        selection=config.selection,
    )
    return fit(trainer, plan, Checkpoints(scratch / "checkpoints", identity), context.progress)


def _write(folder: Path, outcome: Fit, config: TrainConfig, inputs: TrainInputs) -> None:
    from moongate.models.adapters import AdapterCard, save_adapter
    from moongate.training.outcome import step_rows, validation_rows

    card = AdapterCard(
        method=config.method,
        identifier=inputs.identifier,
        class_noun=inputs.class_noun,
        base_digest=inputs.base.digest(),
        step=outcome.chosen_step,
        reason=outcome.reason,
    )
    save_adapter(folder, _part(outcome, "unet"), _part(outcome, "text_encoder") or None, card)
    write_table(folder / "train_steps.parquet", step_rows(outcome), TRAIN_STEPS)
    if outcome.validations:
        write_table(folder / "validation.parquet", validation_rows(outcome), VALIDATION)


def _part(outcome: Fit, part: str) -> dict[str, Tensor]:
    """Return the chosen weights of one module, by its own names."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): w for name, w in outcome.weights.items() if name.startswith(prefix)}


def _evaluations(
    config: TrainConfig, inputs: TrainInputs, objective: DreamBoothObjective, outcome: Fit
) -> int:
    """Return how many samples went through the U-Net forward, validations included."""
    per_slot = 1 if inputs.prior is None or config.prior_weight == 0 else 2
    return (
        len(outcome.steps) * objective.batch_size * per_slot
        + len(outcome.validations) * objective.validation_size
    )
