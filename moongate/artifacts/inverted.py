"""Inversions: inverted latents, what they were made from, and the table of moves that leads back.

Files of the artifact:

    inversions.parquet              picture x method, with the measured error and the pictures
    z_T.safetensors                 plain, fixed_point: (N, C, h, w) float64 each: the way back is exact
    inversions.json                 the N pictures with their prompts, and the moves, in sampling order
    trajectory-00000.safetensors    only when asked for: (B, steps, C, h, w) float32 per method and batch,
                                    the states after each step, from the clean end to z_T
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from moongate.errors import StoreError

if TYPE_CHECKING:
    from torch import Tensor

INVERSIONS_NAME = "inversions.parquet"
LATENTS_NAME = "z_T.safetensors"
CARD_NAME = "inversions.json"

Method = Literal["plain", "fixed_point"]
METHODS: tuple[Method, ...] = ("plain", "fixed_point")


@dataclass(frozen=True)
class InvertedPicture:
    """One inverted picture: its id, the prompt of its inversion, and its other metadata (a JSON object)."""

    image_id: str
    prompt: str
    extra: str


@dataclass(frozen=True)
class InversionCard:
    """What was inverted and how.

    Attributes:
        model: "base" or "tuned".
        moves: (t_source, t_destination) of each sampling step; -1 is the clean end.
        pictures: in the order of the latents.
    """

    model: str
    moves: tuple[tuple[int, int], ...]
    pictures: tuple[InvertedPicture, ...]

    def write(self, folder: Path) -> None:
        """Write `inversions.json`."""
        (folder / CARD_NAME).write_text(
            json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


class InversionSet:
    """Inversions on disk.

    Attributes:
        folder: the artifact's folder.
        card: what was inverted and how.

    Raises:
        StoreError: when the folder holds none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            content = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise StoreError(
                "there are no inversions",
                where=str(folder),
                why=f"{CARD_NAME} is absent",
                fix="give the folder of an artifact of the invert stage",
            ) from error
        self.card = InversionCard(
            model=content["model"],
            moves=tuple((source, destination) for source, destination in content["moves"]),
            pictures=tuple(InvertedPicture(**picture) for picture in content["pictures"]),
        )

    def z_T(self, method: Method, rows: Sequence[int]) -> "Tensor":  # noqa: N802 - the notation of the papers
        """Return the inverted latents of `rows`, numbered like `card.pictures`: (B, C, h, w) float64, CPU."""
        import torch
        from safetensors import safe_open

        with safe_open(self.folder / LATENTS_NAME, framework="pt") as file:
            stacked = file.get_slice(method)
            return torch.stack([stacked[row] for row in rows])
