"""Where a feature extractor comes from, and what it is called in metric ids. Needs no torch."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from moongate.artifacts.digests import file_digest, json_digest
from moongate.errors import ModelError
from moongate.models.preprocessing import PREPROCESSOR_NAME, read_preprocessing

ExtractorKind = Literal["identity", "clip"]

BUNDLED = "bundled"
_NEEDED = ("config.json", PREPROCESSOR_NAME, "model.safetensors")
# A tokenizer is stored whole in one file, or as the older pair; what lies there decides the digest.
_TOKENIZER = (
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
# Where the configuration has the number of features, and what it is where the file leaves it out.
_WIDTH = {"identity": ("hidden_size", 768), "clip": ("projection_dim", 512)}
_POOLING = {"identity": "cls", "clip": "projection"}
_PINNED = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")


@dataclass(frozen=True)
class ExtractorSource:
    """A local transformers folder that holds an extractor.

    Attributes:
        kind: identity (a ViT, class token) or clip (a CLIP model, projected features).
        folder: where its files lie.
        label: what people call it: bundled, a folder's name, or the last part of a hub id.
    """

    kind: ExtractorKind
    folder: Path
    label: str

    @cached_property
    def digest(self) -> str:
        """Sha256 (64 hex digits) over the files that decide the features."""
        names = [name for name in (*_NEEDED, *_TOKENIZER) if (self.folder / name).is_file()]
        return json_digest({name: file_digest(self.folder / name) for name in names})

    @cached_property
    def width(self) -> int:
        """The number of features of a picture."""
        key, default = _WIDTH[self.kind]
        return int(json.loads((self.folder / "config.json").read_text(encoding="utf-8")).get(key, default))

    @cached_property
    def name(self) -> str:
        """The id in metric names: `<label>@<8 hex digits>.<pooling>.<preprocessing>`."""
        preprocessing = read_preprocessing(self.folder).name
        return f"{self.label}@{self.digest[:8]}.{_POOLING[self.kind]}.{preprocessing}"


def resolve_extractor(kind: ExtractorKind, spec: str) -> ExtractorSource:
    """Find what a setting names: `bundled`, a folder, or `owner/name@<commit of 40 hex digits>`.

    A hub model is looked for in the local cache first and fetched when it is not there, safetensors only.
    Raises ModelError when it cannot be found, is incomplete, or is not pinned.
    """
    if spec == BUNDLED:
        return _checked(ExtractorSource(kind, _bundled_folder(kind), f"bundled-{kind}"))
    if Path(spec).is_dir():
        return _checked(ExtractorSource(kind, Path(spec), _label(Path(spec).resolve().name)))
    if pinned := _PINNED.fullmatch(spec):
        folder = _hub_folder(kind, pinned["repository"], pinned["revision"])
        return _checked(ExtractorSource(kind, folder, _label(pinned["repository"].split("/")[1])))
    raise ModelError(
        f"there is no {kind} extractor {spec!r}",
        where=f"evaluate.{kind}",
        why="it is neither 'bundled', nor a folder here, nor owner/name@<commit of 40 hex digits>",
        fix="correct the path, or pin the hub model to a commit: a branch or tag can move under a run",
    )


def _bundled_folder(kind: ExtractorKind) -> Path:
    from moongate.models.source import bundled_folder

    return bundled_folder() / kind


def _hub_folder(kind: ExtractorKind, repository: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = [*_NEEDED, *_TOKENIZER]
    try:
        cached = Path(
            snapshot_download(repository, revision=revision, allow_patterns=wanted, local_files_only=True)
        )
        if not _absent(kind, cached):
            return cached
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"the {kind} extractor {repository} could not be fetched",
            where=f"evaluate.{kind} = {repository}@{revision}",
            why=f"{type(error).__name__}: {error}",
            fix="check the id, the commit and the network, or download the files and name their folder",
        ) from error


def _checked(source: ExtractorSource) -> ExtractorSource:
    if absent := _absent(source.kind, source.folder):
        raise ModelError(
            f"the {source.kind} extractor {source.label} is incomplete",
            where=str(source.folder),
            why=f"absent: {', '.join(absent)}; weights are read from safetensors only, never from pickles",
            fix="name a folder that has them; if a hub model keeps them on a pull request, pin its commit",
        )
    return source


def _absent(kind: ExtractorKind, folder: Path) -> list[str]:
    absent = [name for name in _NEEDED if not (folder / name).is_file()]
    has_tokenizer = (folder / "tokenizer.json").is_file() or (
        (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    )
    if kind == "clip" and not has_tokenizer:
        absent.append("tokenizer.json (or vocab.json and merges.txt)")
    return absent


def _label(name: str) -> str:
    """A metric id is split at dots, so a label has none."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)
