"""Checkpoints that either exist whole or do not exist."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from moongate.artifacts.digests import json_digest
from moongate.artifacts.durability import sync_folder, sync_tree
from moongate.training.trainer import TrainerState

LOGGER = logging.getLogger(__name__)
STATE_FILES = ("weights", "average", "moments")
TENSOR_FILES = (*STATE_FILES, "best")


@dataclass(frozen=True)
class Checkpoint:
    """A trainer's state, its best weights so far, and the history that belongs to it, as JSON values."""

    state: TrainerState
    best: Mapping[str, Tensor]
    history: Mapping[str, object]


class Checkpoints:
    """The checkpoints of one training run, as folders `step-000100/` of safetensors and one `state.json`.

    `identity` is a digest of what is being trained; a checkpoint of something else is never resumed.
    A checkpoint is written to a hidden sibling, synced and renamed; `state.json` lists the sha256 of its
    files and is sealed by one of its own. A checkpoint with a wrong one is passed over for the one before it.
    One process at a time writes here: what a killed one had not finished is removed by the next.
    """

    def __init__(self, folder: Path, identity: str, keep: int = 2) -> None:
        self.folder = folder
        self._identity = identity
        self._keep = keep

    def publish(self, state: TrainerState, best: Mapping[str, Tensor], history: Mapping[str, object]) -> Path:
        """Write one checkpoint and drop all but the newest `keep`; of one that fails, nothing is left."""
        try:
            return self._write(state, best, history)
        except BaseException:
            # On a full disk, half a checkpoint would keep it so.
            for debris in self.folder.glob(".step-*"):
                shutil.rmtree(debris, ignore_errors=True)
            raise

    def _write(self, state: TrainerState, best: Mapping[str, Tensor], history: Mapping[str, object]) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        final = self.folder / f"step-{state.step:06d}"
        self._sweep()
        building = self.folder / f".{final.name}.{os.getpid()}"
        building.mkdir()
        for name in STATE_FILES:
            _save_tensors(getattr(state, name), building / f"{name}.safetensors")
        _save_tensors(best, building / "best.safetensors")
        record = {
            "identity": self._identity,
            "step": state.step,
            "ema_updates": state.ema_updates,
            "sha256": {name: _sha256(building / f"{name}.safetensors") for name in TENSOR_FILES},
            "history": history,
        }
        (building / "state.json").write_text(json.dumps(record | {"seal": json_digest(record)}))
        sync_tree(building)
        shutil.rmtree(final, ignore_errors=True)
        building.rename(final)
        sync_folder(self.folder)
        self._drop_old()
        return final

    def latest(self) -> Checkpoint | None:
        """Return the newest whole checkpoint of this very run, or None."""
        for folder in reversed(self._all()):
            checkpoint = self._read(folder)
            if checkpoint is not None:
                return checkpoint
        return None

    def clear(self) -> None:
        """Remove every checkpoint, once the training's result is safe elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, folder: Path) -> Checkpoint | None:
        try:
            record = json.loads((folder / "state.json").read_text())
        except (OSError, ValueError) as error:
            LOGGER.warning("checkpoint %s is not readable (%s); looking for an earlier one", folder, error)
            return None
        # A checkpoint of an earlier version has no seal.
        if (seal := record.pop("seal", None)) is not None and seal != json_digest(record):
            LOGGER.warning("checkpoint %s: state.json is damaged; looking for an earlier one", folder)
            return None
        if record["identity"] != self._identity:
            LOGGER.info("checkpoint %s belongs to another training; not used", folder)
            return None
        for name, digest in record["sha256"].items():
            if _sha256(folder / f"{name}.safetensors") != digest:
                LOGGER.warning(
                    "checkpoint %s: %s.safetensors is damaged; looking for an earlier one", folder, name
                )
                return None
        tensors = {name: load_file(folder / f"{name}.safetensors") for name in STATE_FILES}
        state = TrainerState(record["step"], record["ema_updates"], **tensors)
        return Checkpoint(state, load_file(folder / "best.safetensors"), record["history"])

    def _sweep(self) -> None:
        for debris in self.folder.glob(".step-*"):
            shutil.rmtree(debris)

    def _drop_old(self) -> None:
        for folder in self._all()[: -self._keep]:
            shutil.rmtree(folder)

    def _all(self) -> list[Path]:
        """Return the folders of all checkpoints by step, which has more digits from the millionth on."""
        return sorted(self.folder.glob("step-*"), key=lambda folder: int(folder.name.partition("-")[2]))


def _save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)


def _sha256(path: Path) -> str:
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
