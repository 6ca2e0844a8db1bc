"""One phase of the pretraining: fit an objective, resumably, and keep its result on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from moongate.artifacts.digests import file_digest
from moongate.progress import Progress
from moongate.toybox.pretraining.config import PhaseConfig
from moongate.training.checkpoints import Checkpoints
from moongate.training.fit import FitPlan, fit
from moongate.training.objective import Objective
from moongate.training.trainer import OptimizerSettings, Trainer, build_accelerator

Fitted = TypeVar("Fitted", bound=Objective)


@dataclass(frozen=True)
class Workshop:
    """Where and how the phases run; `folder` keeps renders, checkpoints and results."""

    folder: Path
    device: torch.device
    precision: str
    progress: Progress


@contextmanager
def seeded_initialisation(seed: int) -> Iterator[None]:
    """Let library code draw initial weights from the global generator at `seed`, and put it back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251 - initialisers take no generator; it is put back
        yield


def identity_of(name: str, config: PhaseConfig, *upstream: object) -> str:
    """Return a digest of what a phase would train: its name, its numbers, and whatever it builds on."""
    key = json.dumps([name, config.model_dump(mode="json"), *map(str, upstream)])
    return hashlib.sha256(key.encode()).hexdigest()


def train_phase(
    name: str, config: PhaseConfig, identity: str, build: Callable[[], Fitted], workshop: Workshop
) -> Fitted:
    """Return the objective with its trained weights, from disk when this very phase was finished before."""
    objective = build()
    identity = _with_architecture(identity, objective)
    result = _result(workshop, name)
    if _read_result(objective, result, identity):
        return objective.eval()
    trainer = Trainer(
        objective, _optimizer_settings(config), build_accelerator(workshop.device, workshop.precision)
    )
    checkpoints = Checkpoints(workshop.folder / name / "checkpoints", identity)
    outcome = fit(
        trainer, FitPlan(checkpoint_every=config.checkpoint_every), checkpoints, workshop.progress, name
    )
    save_file(dict(outcome.weights), result, metadata={"identity": identity})
    _read_result(objective, result, identity)
    return objective.eval()


def result_digest(workshop: Workshop, name: str) -> str:
    """Return the sha256 of a finished phase's weights: what a phase that builds on them depends on."""
    return file_digest(_result(workshop, name))


def _result(workshop: Workshop, name: str) -> Path:
    return workshop.folder / name / "result.safetensors"


def _with_architecture(identity: str, objective: Objective) -> str:
    """Return a digest of the identity and of every trained parameter's shape: a changed model is new."""
    shapes = {name: list(parameter.shape) for name, parameter in objective.trained_parameters().items()}
    return hashlib.sha256(json.dumps([identity, shapes]).encode()).hexdigest()


def _optimizer_settings(config: PhaseConfig) -> OptimizerSettings:
    return OptimizerSettings(
        steps=config.steps,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        decay="cosine",
        weight_decay=config.weight_decay,
        ema_decay=config.ema_decay,
        betas=(0.9, 0.99),
    )


@torch.no_grad()
def _read_result(objective: Objective, path: Path, identity: str) -> bool:
    """Load a finished phase's weights into the objective; False when there are none of this identity."""
    if not path.is_file():
        return False
    with safe_open(path, framework="pt") as saved:
        if saved.metadata()["identity"] != identity:
            return False
        for name, parameter in objective.trained_parameters().items():
            parameter.copy_(saved.get_tensor(name))
    return True
