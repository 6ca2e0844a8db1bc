"""`artifact.json`: what an artifact is, how it was made, and the digest of each of its files."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from moongate.artifacts.digests import file_digest, json_digest
from moongate.artifacts.recipe import Recipe, recipe_digest

MANIFEST_NAME = "artifact.json"
MANIFEST_FORMAT = 1
_LIBRARIES = ("moongate", "torch", "diffusers", "transformers", "numpy", "pillow", "pyarrow", "safetensors")


@dataclass(frozen=True)
class BuildFacts:
    """What a build function reports about its work.

    Attributes:
        items: pictures, steps or rows produced.
        unet_evals: samples that went through the UNet (two per guided sample and step).
        device: where the work was done.
    """

    items: int = 0
    unet_evals: int = 0
    device: str = "cpu"


class FileRecord(BaseModel):
    """One file of an artifact: its path within the artifact (POSIX), sha256 and size in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str
    bytes: int


class LibraryVersion(BaseModel):
    """One library that was installed when the artifact was built."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str


class Manifest(BaseModel):
    """Everything `artifact.json` says. Times are UTC in ISO 8601, durations in seconds, memory in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = MANIFEST_FORMAT
    stage: str
    revision: int
    kind: str
    digest: str
    settings: JsonValue
    inputs: tuple[tuple[str, str], ...]
    files: tuple[FileRecord, ...]
    facts: BuildFacts
    wall_s: float
    peak_memory_bytes: int
    created: str
    python: str
    libraries: tuple[LibraryVersion, ...]
    seal: str = ""

    def sealed(self) -> "Manifest":
        """Return the manifest with the sha256 of all that it says, so that damage to it shows as well."""
        return self.model_copy(update={"seal": json_digest(self.model_dump(mode="json", exclude={"seal"}))})

    def problems(self, folder: Path) -> tuple[str, ...]:
        """Return what is wrong with the artifact in `folder`; empty when every byte is as built."""
        if self.digest != recipe_digest(self.stage, self.revision, self.settings, self.inputs):
            return (f"{MANIFEST_NAME}: the recipe does not give the digest {self.digest}",)
        if self.seal and self != self.sealed():
            return (f"{MANIFEST_NAME}: it does not say what it said when it was written",)
        present = set(relative_files(folder))
        recorded = {record.name for record in self.files}
        unknown = tuple(f"{name}: not in {MANIFEST_NAME}" for name in sorted(present - recorded))
        damaged = (_file_problem(folder, record) for record in self.files)
        return unknown + tuple(problem for problem in damaged if problem)


def describe(
    recipe: Recipe[Any], folder: Path, facts: BuildFacts, *, wall_s: float, peak_memory_bytes: int
) -> Manifest:
    """Return the manifest of a finished build in `folder`, hashing each file."""
    return Manifest(
        stage=recipe.stage,
        revision=recipe.revision,
        kind=recipe.ref_type.kind,
        digest=recipe.digest,
        settings=recipe.settings_json,
        inputs=recipe.inputs,
        files=tuple(_record(folder, name) for name in relative_files(folder)),
        facts=facts,
        wall_s=wall_s,
        peak_memory_bytes=peak_memory_bytes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        python=python_version(),
        libraries=library_versions(),
    ).sealed()


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest in `folder`, or None when there is none that can be read."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def relative_files(folder: Path) -> list[str]:
    """Return the POSIX paths of the files under `folder`, sorted, without the manifest itself."""
    names = (
        (Path(parent) / name).relative_to(folder).as_posix()
        for parent, _, files in os.walk(folder)
        for name in files
    )
    return sorted(name for name in names if name != MANIFEST_NAME)


def library_versions() -> tuple[LibraryVersion, ...]:
    """Return the installed versions of the libraries that results can depend on, without importing them."""
    return tuple(
        LibraryVersion(name=name, version=version) for name in _LIBRARIES if (version := _version(name))
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _record(folder: Path, name: str) -> FileRecord:
    path = folder / name
    return FileRecord(name=name, sha256=file_digest(path), bytes=path.stat().st_size)


def _file_problem(folder: Path, record: FileRecord) -> str | None:
    path = folder / record.name
    if not path.is_file():
        return f"{record.name}: missing"
    if (size := path.stat().st_size) != record.bytes:
        return f"{record.name}: {size} bytes, {record.bytes} when built"
    if file_digest(path) != record.sha256:
        return f"{record.name}: its sha256 is not the recorded one"
    return None
