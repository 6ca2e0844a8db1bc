"""The model as the product's stages compute with it; peers load theirs without what stages do besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moongate.models.source import BaseSource

if TYPE_CHECKING:
    from moongate.models.base import DiffusionModel


def stage_model(base: BaseSource, device: str, precision: str) -> DiffusionModel:
    """Return a model as `moongate.models.stage_model` has it, but leased from nobody."""
    from moongate.models.base import load_model
    from moongate.models.host_memory import keep_freed_memory

    if device == "cpu":
        keep_freed_memory()
    return load_model(base, device, precision)
