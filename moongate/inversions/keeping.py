"""An inverted batch as named arrays, so that it can be kept and taken up again bit for bit."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from numpy.typing import NDArray

from moongate.artifacts.inverted import METHODS, Method
from moongate.inversions.inverter import Ascent
from moongate.sampling.rendering import Pixels

_FLOOR = "floor"
_DRAWN = "drawn"
_TENSORS = tuple(field.name for field in fields(Ascent) if field.name != "method")


@dataclass(frozen=True)
class InvertedBatch:
    """What inverting one batch of B pictures gave.

    Attributes:
        floor: the VAE's own round trip of each picture, (B, H, W, 3) uint8.
        ascents: one a method.
        drawn: for each method the pictures drawn from its z_T, (B, H, W, 3) uint8.
    """

    floor: Pixels
    ascents: tuple[Ascent, ...]
    drawn: tuple[Pixels, ...]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it by name: `floor`, `<method>.drawn` and `<method>.<field of Ascent>`."""
        found: dict[str, NDArray[Any]] = {_FLOOR: self.floor}
        for ascent, pixels in zip(self.ascents, self.drawn, strict=True):
            found[f"{ascent.method}.{_DRAWN}"] = pixels
            for name in _TENSORS:
                if (tensor := getattr(ascent, name)) is not None:
                    found[f"{ascent.method}.{name}"] = tensor.contiguous().cpu().numpy()
        return found

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "InvertedBatch":
        """Return the batch that `arrays` was called on, its tensors on the CPU."""
        methods = [method for method in METHODS if f"{method}.{_DRAWN}" in arrays]
        return cls(
            arrays[_FLOOR],
            tuple(_ascent(method, arrays) for method in methods),
            tuple(arrays[f"{method}.{_DRAWN}"] for method in methods),
        )


def _ascent(method: Method, arrays: Mapping[str, NDArray[Any]]) -> Ascent:
    names = (name for name in _TENSORS if f"{method}.{name}" in arrays)
    return Ascent(method=method, **{name: torch.from_numpy(arrays[f"{method}.{name}"]) for name in names})
