"""Models that are not loaded as they are, refused with the command that converts them. No torch here."""

import shlex
import sys
from pathlib import Path

from moongate.errors import ModelError

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
SINGLE_FILES = (*PICKLES, ".safetensors")


def pickled_part(model: Path, part: str, pickle: str, wanted: str) -> ModelError:
    """Return the refusal of a folder in diffusers layout, one part of which is a pickle only."""
    return ModelError(
        f"the weights of {part} are a pickle",
        where=str(model / part),
        why=f"there is {pickle} and no {wanted}; reading a pickle can run any code that is in it",
        fix=_advice("from_pretrained", model, with_suffix(model), ", safety_checker=None", trusted=False),
    )


def single_file(path: Path) -> ModelError:
    """Return the refusal of a checkpoint in one file."""
    is_pickle = path.suffix in PICKLES
    reason = "reading a pickle can run any code that is in it" if is_pickle else "it lacks the configuration"
    return ModelError(
        f"the base model {path.name} is a single file",
        where=str(path),
        why=f"a folder in diffusers layout with safetensors is needed; {reason}",
        fix=_advice("from_single_file", path, with_suffix(path), "", trusted=not is_pickle),
    )


def with_suffix(source: Path) -> Path:
    """Return where the command puts what it has converted: a folder beside the source."""
    return source.with_name(f"{source.stem if source.suffix in SINGLE_FILES else source.name}-safetensors")


def _advice(reader: str, source: Path, target: Path, options: str, *, trusted: bool) -> str:
    code = (
        f"from diffusers import StableDiffusionPipeline as P; P.{reader}({str(source)!r}{options})"
        f".save_pretrained({str(target)!r}, safe_serialization=True)"
    )
    when = "" if trusted else "if you trust where it comes from, "
    command = shlex.join([sys.executable, "-c", code])
    return f"{when}convert it once by\n    {command}\n  and give {target} instead"
