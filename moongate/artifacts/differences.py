"""What differs between two recipes, down to the setting or the file that everything else follows from."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from moongate.artifacts.digests import canonical_json
from moongate.artifacts.manifest import Manifest
from moongate.artifacts.recipe import Recipe

ABSENT = "(absent)"
_HEX64 = re.compile(r"[0-9a-f]{64}")
_SHOWN_CHARACTERS = 40
_NAMED = 3


@dataclass(frozen=True)
class Statement:
    """The four things that decide an artifact, of one that is in the store or of one that is only planned."""

    stage: str
    revision: int
    settings: JsonValue
    inputs: tuple[tuple[str, str], ...]

    @classmethod
    def of_recipe(cls, recipe: Recipe[Any]) -> "Statement":
        """Return what a recipe states."""
        return cls(recipe.stage, recipe.revision, recipe.settings_json, recipe.inputs)

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> "Statement":
        """Return what the recipe of a stored artifact stated."""
        return cls(manifest.stage, manifest.revision, manifest.settings, manifest.inputs)


@dataclass(frozen=True)
class Difference:
    """One thing that two recipes of a stage do not agree on.

    Attributes:
        stage: whose recipe it stands in.
        kind: what it is.
        name: "revision", the dotted path of a setting, or the name of an input.
        old, new: JSON values, digests for inputs; `ABSENT` where one side has no such thing.
    """

    stage: str
    kind: Literal["revision", "setting", "input"]
    name: str
    old: JsonValue
    new: JsonValue

    def __str__(self) -> str:
        name = self.name if self.name.startswith(f"{self.stage}.") else f"{self.stage}.{self.name}"
        if self.kind == "input":
            name = f"{self.stage}'s input {self.name}"
        if ABSENT in (self.old, self.new):
            return f"{name} is {'new' if self.old == ABSENT else 'gone'}"
        if self.kind == "input":
            return f"{name} is another"
        return f"{name} is {shown(self.new)}, was {shown(self.old)}"


Lookup = Callable[[str], Statement | None]


def compare(old: Statement, new: Statement) -> tuple[Difference, ...]:
    """Return what differs: the revision, then settings, then inputs, each in the order of `new`."""
    stage = new.stage
    found = [Difference(stage, "revision", "revision", old.revision, new.revision)]
    settings = _pairs(dict(leaves(old.settings)), dict(leaves(new.settings)))
    found += [Difference(stage, "setting", *pair) for pair in settings]
    inputs = _pairs(dict(old.inputs), dict(new.inputs))
    found += [Difference(stage, "input", *pair) for pair in inputs]
    return tuple(one for one in found if one.old != one.new)


def causes(old: Statement, new: Statement, lookup: Lookup) -> tuple[Difference, ...]:
    """Return what differs, following an input that is an artifact to what differs in how that was made.

    Args:
        lookup: gives the statement of an artifact by its digest; None for what is no artifact, or not known.
    """
    return tuple({repr(one): one for one in _causes(old, new, lookup)}.values())


def sentence(differences: Sequence[Difference]) -> str:
    """Return the first few differences as one line."""
    more = len(differences) - _NAMED
    named = [str(one) for one in differences[:_NAMED]]
    return "; ".join([*named, f"and {more} more"] if more > 0 else named)


def shown(value: JsonValue) -> str:
    """Return a value as short as it can still be told apart: digests by 12 digits, long texts cut."""
    if isinstance(value, str) and (value == ABSENT or _HEX64.fullmatch(value)):
        return value[:12]
    text = canonical_json(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def leaves(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Yield the dotted path and the value of every leaf; a list or mapping without any is a leaf itself."""
    children: list[tuple[str, JsonValue]] = []
    if isinstance(value, Mapping):
        children = [(str(name), child) for name, child in value.items()]
    elif isinstance(value, list | tuple):
        children = [(str(number), child) for number, child in enumerate(value)]
    if not children:
        yield path, value
    for name, child in children:
        yield from leaves(child, f"{path}.{name}" if path else name)


def _pairs(
    old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]
) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    for name in dict.fromkeys((*new, *old)):
        yield name, old.get(name, ABSENT), new.get(name, ABSENT)


def _causes(old: Statement, new: Statement, lookup: Lookup) -> Iterator[Difference]:
    for one in compare(old, new):
        before, after = (_made(digest, lookup) for digest in (one.old, one.new))
        if one.kind == "input" and before and after and before.stage == after.stage:
            yield from _causes(before, after, lookup)
        else:
            yield one


def _made(digest: JsonValue, lookup: Lookup) -> Statement | None:
    return lookup(digest) if isinstance(digest, str) and _HEX64.fullmatch(digest) else None
