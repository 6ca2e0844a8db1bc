"""Recipes: everything that decides what an artifact is, and the address that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from pydantic import BaseModel, JsonValue

from moongate.artifacts.digests import json_digest
from moongate.artifacts.refs import Ref

R = TypeVar("R", bound=Ref)


@dataclass(frozen=True)
class Recipe(Generic[R]):
    """How one artifact is made. Equal recipes have equal digests, on every machine and in every folder.

    Attributes:
        stage: the stage's verb.
        revision: the stage's REVISION, raised when its output changes meaning.
        settings: the frozen model of the settings that matter to the result; no paths, no devices.
        inputs: (name, digest) of each input: artifacts, model weights, picture contents. Kept sorted by name.
        ref_type: the reference that the artifact is handed on as.

    Raises:
        ValueError: when two inputs have one name, or an input has no digest.
    """

    stage: str
    revision: int
    settings: BaseModel
    inputs: tuple[tuple[str, str], ...]
    ref_type: type[R]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError(f"recipe of {self.stage}: two inputs have one name: {sorted(names)}")
        if empty := [name for name, digest in self.inputs if not digest]:
            raise ValueError(f"recipe of {self.stage}: inputs without a digest: {empty}")
        object.__setattr__(self, "inputs", tuple(sorted(self.inputs)))

    @cached_property
    def digest(self) -> str:
        """The artifact's address: sha256 (64 hex digits) of stage, revision, settings and inputs."""
        return recipe_digest(self.stage, self.revision, self.settings_json, self.inputs)

    @property
    def settings_json(self) -> JsonValue:
        """The settings as JSON values."""
        return self.settings.model_dump(mode="json")

    @property
    def ref(self) -> R:
        """The reference to this recipe's artifact, whether or not it has been built."""
        return self.ref_type(self.digest)


def recipe_digest(stage: str, revision: int, settings: JsonValue, inputs: Sequence[tuple[str, str]]) -> str:
    """Return the sha256 (64 hex digits) of the four things that decide what an artifact is."""
    return json_digest({"stage": stage, "revision": revision, "settings": settings, "inputs": list(inputs)})
