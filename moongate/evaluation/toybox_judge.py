"""The toybox's judges: found beside the bundled base model, and named by their digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from moongate.artifacts.digests import file_digest, json_digest
from moongate.errors import ModelError
from moongate.evaluation.picture_sets import Pixels, Truth
from moongate.models.source import BaseSource, bundled_folder

if TYPE_CHECKING:
    from moongate.toybox.judges import Judges

_FILES = ("config.json", "model.safetensors")


@dataclass(frozen=True)
class JudgeSource:
    """Where the judges' weights lie."""

    folder: Path

    @cached_property
    def digest(self) -> str:
        """Sha256 (64 hex digits) over the judges' files."""
        return json_digest({name: file_digest(self.folder / name) for name in _FILES})

    @property
    def name(self) -> str:
        """The judges' id in metric names."""
        return f"toybox@{self.digest[:8]}"


class ToyboxJudge:
    """Says of each picture which object, colour and scene it shows."""

    def __init__(self, name: str, judges: "Judges") -> None:
        self.name = name
        self._judges = judges

    def judge(self, pictures: Sequence[Pixels]) -> list[Truth]:
        """Judge pictures of the toybox, each (64, 64, 3) uint8."""
        verdicts = self._judges.judge(pictures)
        return [Truth(verdict.object, verdict.colour, verdict.scene) for verdict in verdicts]


def judges_of(base: BaseSource) -> JudgeSource | None:
    """Find the judges of a base model: the bundled one has some, others have None.

    Raises ModelError when the bundled ones are not there.
    """
    if base.folder != bundled_folder() / "base":
        return None
    source = JudgeSource(bundled_folder() / "judges")
    if absent := [name for name in _FILES if not (source.folder / name).is_file()]:
        raise ModelError(
            "the toybox's judges are incomplete",
            where=str(source.folder),
            why=f"absent: {', '.join(absent)}",
            fix="install the package again, or rebuild its weights with `moongate pretrain`",
        )
    return source


def load_judge(source: JudgeSource) -> ToyboxJudge:
    """Load the judges. Raises ModelError when they were trained for another vocabulary."""
    from moongate.toybox.judges import Judges

    return ToyboxJudge(source.name, Judges.load(source.folder))
