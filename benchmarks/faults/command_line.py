"""The command as people run it, at the smallest settings, on a store of its own; and what it leaves there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from moongate.artifacts.digests import file_digest

# The smallest run of a bundled subject that trains.
SETTINGS = (
    "base.device=cpu",
    "ingest.evaluation_folder=datasets/subjects/moon_cup/train",
    "prior.num_images=2",
    "prior.steps=2",
    "train.steps=2",
    "train.batch_size=1",
    "train.warmup_steps=0",
    "train.validate_every=2",
    "train.num_validation_draws=1",
    "invert.steps=2",
    "invert.num_images=2",
    "sample.steps=2",
    "sample.seeds_per_prompt=1",
    "sample.class_images=2",
    "evaluate.bootstrap_draws=100",
)
Before = Callable[[], None]


def as_it_is() -> None:
    """Change nothing in the new process."""


def command(*arguments: str) -> list[str]:
    """Return the words that start the command."""
    return [sys.executable, "-m", "flows.cli", *arguments]


def environment(store: Path) -> Mapping[str, str]:
    """Return the environment in which `store` is the command's store."""
    return os.environ | {"MOONGATE_HOME": str(store)}


def moongate(store: Path, *arguments: str, before: Before = as_it_is) -> subprocess.CompletedProcess[str]:
    """Run the command with `store` as its store; `before` runs in the new process."""
    return subprocess.run(
        command(*arguments),
        env=environment(store),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=before,
    )


def options(*settings: str) -> list[str]:
    """Return the options that set the smallest settings, and then others."""
    return [word for setting in (*SETTINGS, *settings) for word in ("--set", setting)]


def built(store: Path) -> set[str]:
    """Return the digests of the artifacts in the store."""
    return {path.parent.name for path in store.glob("artifacts/*/*/artifact.json")}


def reused(store: Path) -> set[str]:
    """Return the artifacts that the newest run found in the store."""
    (record, *_) = json.loads(moongate(store, "runs", "--json").stdout)
    return {entry["digest"] for entry in record["stages"] if entry["cached"]}


def tensor_files(folder: Path) -> Mapping[str, str]:
    """Return the digest of every safetensors file below a folder, by its path there."""
    return {str(path.relative_to(folder)): file_digest(path) for path in folder.rglob("*.safetensors")}
