"""Where a base model lies: a checked folder in diffusers layout, and its digest. No torch here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moongate.artifacts.digests import file_digest, json_digest
from moongate.errors import ModelError
from moongate.models.conversion import PICKLES, SINGLE_FILES, pickled_part, single_file

if TYPE_CHECKING:
    from moongate.config import BaseConfig

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CLASSES = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
}
_UNUSED_PARTS = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
_WEIGHT_NAMES = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
_VARIANTS = (None, "fp16")
_TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


@dataclass(frozen=True)
class BaseSource:
    """A base model on this machine's disk.

    Attributes:
        folder: a folder in diffusers layout.
        name: what tables and reports call it: "toybox", the folder's name, or the hub id.
        revision: the commit of a hub model, else None.
    """

    folder: Path
    name: str
    revision: str | None = None

    @property
    def label(self) -> str:
        """What tables and reports call the model and, when it has one, its revision."""
        return f"{self.name}@{self.revision[:12]}" if self.revision else self.name

    def variant(self, part: str) -> str | None:
        """Return the variant of the weights of `part` ("unet", "vae", "text_encoder"): None, or "fp16".

        Raises:
            ModelError: when the part has no safetensors.
        """
        for variant in _VARIANTS:
            if (self.folder / part / _weight_name(part, variant)).is_file():
                return variant
        raise _no_weights(self.folder / part, _weight_name(part, None))

    def weights(self, part: str) -> Path:
        """Return the safetensors of `part`, relative to the folder.

        Raises:
            ModelError: when it has none.
        """
        return Path(part, _weight_name(part, self.variant(part)))

    def files(self) -> tuple[Path, ...]:
        """Return the files that loading reads, relative to the folder, sorted.

        Raises:
            ModelError: when one of them is missing.
        """
        found = [Path("model_index.json"), Path("scheduler/scheduler_config.json")]
        for part in _WEIGHT_NAMES:
            found += [Path(part, "config.json"), self.weights(part)]
        found += self._tokenizer_files()
        for file in found:
            if not (self.folder / file).is_file():
                raise _missing(self.folder, str(file))
        return tuple(sorted(found))

    def digest(self) -> str:
        """Return the sha256 (64 hex digits) over the names and contents of `files()`, wherever they lie.

        Raises:
            ModelError: when one of them is missing.
        """
        return self._digest_of(self.files())

    def tokenizer_digest(self) -> str:
        """Return the sha256 (64 hex digits) of the tokenizer alone: all that counting words depends on."""
        return self._digest_of(self._tokenizer_files())

    def resolution(self) -> int:
        """Return the side in pixels of the squares that the model draws, from its configuration files.

        Raises:
            ModelError: when a file is missing, or does not say.
        """
        unet = _read_json(self.folder, "unet/config.json")
        vae = _read_json(self.folder, "vae/config.json")
        try:
            return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)
        except (KeyError, TypeError) as error:
            raise _missing(self.folder, f"sample_size or block_out_channels ({error})") from error

    def check(self) -> None:
        """Check that the folder is a Stable Diffusion 1.x or 2.x model in safetensors, without loading it.

        Raises:
            ModelError: when it is incomplete, of another kind, needs code of its own, or holds pickles only.
        """
        index = _read_json(self.folder, "model_index.json")
        for part, entry in index.items():
            if not part.startswith("_"):
                _check_part(self.folder, part, entry)
        for part in (*_CLASSES, "scheduler"):
            if index.get(part) is None:
                raise _missing(self.folder, f"an entry for {part!r} in model_index.json")
        if not any(file.parent.name == "tokenizer" for file in self.files()):
            raise _missing(self.folder, "tokenizer/vocab.json and tokenizer/merges.txt")

    def _tokenizer_files(self) -> tuple[Path, ...]:
        files = (Path("tokenizer", name) for name in _TOKENIZER_FILES)
        return tuple(file for file in files if (self.folder / file).is_file())

    def _digest_of(self, files: tuple[Path, ...]) -> str:
        return json_digest([[file.as_posix(), _content_digest(self.folder / file)] for file in files])


def bundled_folder() -> Path:
    """Return the folder of the weights that travel with the package: `base/` and the judges."""
    return Path(__file__).resolve().parent.parent / "toybox" / "weights"


def resolve_base(config: BaseConfig) -> BaseSource:
    """Return the checked source of a base model; a hub model that is not on disk yet is downloaded.

    Raises:
        ModelError: when it cannot be found, or see `BaseSource.check`.
    """
    source = _locate(config.model, config.revision)
    source.check()
    return source


def _locate(model: str, revision: str | None) -> BaseSource:
    if model == "toybox":
        return BaseSource(bundled_folder() / "base", name="toybox")
    folder = Path(model).expanduser()
    if folder.is_dir():
        return BaseSource(folder.resolve(), name=folder.resolve().name)
    if folder.is_file() and folder.suffix in SINGLE_FILES:
        raise single_file(folder.resolve())
    if not _HUB_ID.fullmatch(model):
        raise ModelError(
            f"there is no base model {model!r}",
            where="base.model",
            why="it is neither toybox, nor a folder that exists, nor a hub id of the form owner/name",
            fix="check the spelling of the path or id",
        )
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ModelError(
            f"the hub model {model} needs a pinned revision",
            where="base.revision",
            why=f"it is {revision!r}; branches and tags move, so a run could not be repeated",
            fix="give the 40-digit commit shown in the model's file history on the hub",
        )
    return BaseSource(_hub_snapshot(model, revision), name=model, revision=revision)


def _hub_snapshot(model: str, revision: str) -> Path:
    """Return the cached snapshot of a hub model, downloading it first where it is absent or incomplete."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, "model_index.json", revision=revision)
    if isinstance(cached, str):
        source = BaseSource(Path(cached).parent, name=model, revision=revision)
        try:
            source.check()
        except ModelError:
            return _download(model, revision)
        return source.folder
    return _download(model, revision)


def _download(model: str, revision: str) -> Path:
    from diffusers import StableDiffusionPipeline

    try:
        folder = StableDiffusionPipeline.download(
            model, revision=revision, use_safetensors=True, safety_checker=None, feature_extractor=None
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the hub model {model} could not be fetched",
            where=f"base.model, revision {revision}",
            why=f"{type(error).__name__}: {error}",
            fix="check id, revision, network and access rights, or give a folder with safetensors",
        ) from error
    return Path(folder)


def _check_part(folder: Path, part: str, entry: Any) -> None:
    """Refuse a part of `model_index.json` that is not the standard one; `entry` is [library, class]."""
    if not isinstance(entry, list) or entry == [None, None] or part in _UNUSED_PARTS:
        return
    library, class_name = entry
    if library not in {"diffusers", "transformers"}:
        raise ModelError(
            f"the model's {part} needs code of its own",
            where=str(folder / "model_index.json"),
            why=f"its class is {class_name} from {library!r}; code that comes with weights is never run",
            fix="use a checkpoint made of diffusers' and transformers' own classes",
        )
    if part == "scheduler":
        return
    if class_name not in _CLASSES.get(part, ()):
        raise ModelError(
            f"the model's {part} is not supported",
            where=str(folder / "model_index.json"),
            why=f"it is a {class_name}; Stable Diffusion 1.x and 2.x are made of {', '.join(_CLASSES)}",
            fix="use a Stable Diffusion 1.x or 2.x checkpoint in diffusers layout",
        )


def _weight_name(part: str, variant: str | None) -> str:
    return ".".join([_WEIGHT_NAMES[part], *([variant] if variant else []), "safetensors"])


def _no_weights(folder: Path, name: str) -> ModelError:
    files = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    pickle = next((file for file in files if file.endswith(PICKLES)), None)
    if pickle is not None:
        return pickled_part(folder.parent, folder.name, pickle, name)
    return _missing(folder.parent, f"{folder.name}/{name}")


def _missing(folder: Path, what: str) -> ModelError:
    return ModelError(
        "the base model is incomplete",
        where=str(folder),
        why=f"{what} is missing",
        fix="give a whole model in diffusers layout, as save_pretrained(safe_serialization=True) writes it",
    )


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _missing(folder, name) from error
    except ValueError as error:
        raise ModelError(
            f"{name} cannot be read", where=str(folder / name), why=str(error), fix="restore the file"
        ) from error
    return dict(content)


def _content_digest(path: Path) -> str:
    status = path.stat()
    # The time of writing can be set back, and copies and archives do; that of the last change cannot.
    state = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _digest_of_state(path, state)


@lru_cache(maxsize=256)
def _digest_of_state(path: Path, state: tuple[int, ...]) -> str:
    # The state only decides whether this process reads the file again; the digest is of the contents.
    return file_digest(path)
