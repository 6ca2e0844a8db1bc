"""What tuning changed, as a folder: tensors in safetensors and a card that says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from json import dumps, loads
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from moongate.errors import ModelError
from moongate.models.base import DiffusionModel

CARD_NAME = "adapter.json"
TRAINED_PARTS: tuple[Literal["unet", "text_encoder"], ...] = ("unet", "text_encoder")


@dataclass(frozen=True)
class AdapterCard:
    """What an adapter is.

    Attributes:
        method: how it was trained, e.g. "dreambooth".
        identifier: the word that means the subject.
        class_noun: what kind of thing the subject is.
        base_digest: `BaseSource.digest()` of the model it was trained on, and only fits.
        step: the training step it was taken from.
        reason: why that step.
    """

    method: str
    identifier: str
    class_noun: str
    base_digest: str
    step: int
    reason: str


def save_adapter(
    folder: Path,
    unet: Mapping[str, Tensor],
    text_encoder: Mapping[str, Tensor] | None,
    card: AdapterCard,
) -> None:
    """Write an adapter.

    Args:
        folder: created when absent.
        unet: changed tensors of the UNet, by parameter name, any float dtype.
        text_encoder: likewise of the text encoder, or None when it was frozen.
        card: what it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part, tensors in zip(TRAINED_PARTS, (unet, text_encoder), strict=True):
        if tensors is not None:
            # Copied: safetensors does not write two views of one memory.
            kept = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
            save_file(kept, folder / f"{part}.safetensors")
    (folder / CARD_NAME).write_text(dumps(asdict(card), indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path) -> AdapterCard:
    """Return an adapter's card.

    Raises:
        ModelError: when it is absent or malformed.
    """
    path = folder / CARD_NAME
    try:
        content = loads(path.read_text(encoding="utf-8"))
        return AdapterCard(
            **{field.name: content.pop(field.name) for field in fields(AdapterCard)}, **content
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            "the adapter has no readable card",
            where=str(path),
            why=f"{type(error).__name__}: {error}",
            fix="give the folder of an adapter as training wrote it",
        ) from error


@torch.no_grad()
def apply_adapter(model: DiffusionModel, folder: Path) -> AdapterCard:
    """Put an adapter's tensors into the model, in place, and return its card.

    Nothing is changed unless everything fits.

    Raises:
        ModelError: when the adapter was trained on another base, or holds a tensor that the model
            does not have in that shape.
    """
    card = read_card(folder)
    base_digest = model.source.digest()
    if card.base_digest != base_digest:
        raise ModelError(
            "the adapter was trained on another base model",
            where=str(folder / CARD_NAME),
            why=f"its base is {card.base_digest[:12]}, and {model.source.name} is {base_digest[:12]}",
            fix="load the base model that the adapter was trained on",
        )
    changes = [
        _Change(getattr(model, part), path) for part in TRAINED_PARTS if (path := _tensors(folder, part))
    ]
    if not changes:
        raise ModelError(
            "the adapter is empty",
            where=str(folder),
            why=f"there is none of {', '.join(f'{part}.safetensors' for part in TRAINED_PARTS)}",
            fix="give the folder of an adapter as training wrote it",
        )
    for change in changes:
        change.check()
    for change in changes:
        change.apply()
    return card


def _tensors(folder: Path, part: str) -> Path | None:
    path = folder / f"{part}.safetensors"
    return path if path.is_file() else None


class _Change:
    def __init__(self, module: nn.Module, path: Path) -> None:
        self._path = path
        self._state = module.state_dict()
        try:
            self._tensors = load_file(path)
        except SafetensorError as error:
            raise self._misfit("the file cannot be read", str(error)) from error

    def check(self) -> None:
        for name, tensor in self._tensors.items():
            if name not in self._state:
                raise self._misfit(
                    f"there is no {name} in the model", f"{len(self._tensors)} tensors were given"
                )
            if tensor.shape != self._state[name].shape:
                raise self._misfit(
                    f"{name} has another shape",
                    f"{tuple(tensor.shape)}, not {tuple(self._state[name].shape)}",
                )
            if not bool(tensor.isfinite().all()):
                raise self._misfit(f"{name} is damaged", "it holds values that are not finite")

    def apply(self) -> None:
        for name, tensor in self._tensors.items():
            self._state[name].copy_(tensor)

    def _misfit(self, what: str, detail: str) -> ModelError:
        return ModelError(
            "the adapter does not fit the model",
            where=str(self._path),
            why=f"{what}: {detail}",
            fix="use the adapter with the base model and the version that it was trained with",
        )
