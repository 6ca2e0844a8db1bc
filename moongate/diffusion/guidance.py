"""Classifier-free guidance, as formulas and as data."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from moongate.errors import ConfigError


def classifier_free_guidance(unconditional: Tensor, conditional: Tensor, w: float) -> Tensor:
    """Return eps(null) + w (eps(c) - eps(null)) (Ho & Salimans 2022, eq. 6, with w = 1 + their weight).

    Both are network outputs, (B, C, h, w), of either kind: at fixed x, v is affine in epsilon.
    """
    return unconditional + w * (conditional - unconditional)


def rescale_guidance(guided: Tensor, conditional: Tensor, phi: float) -> Tensor:
    """Return the guided output, its spread pulled back to the conditional one's (Lin et al. 2024, eq. 15-16).

    Args:
        guided: (B, C, h, w) float32, the output after guidance.
        conditional: (B, C, h, w) float32, the output of the conditional branch.
        phi: 0 leaves `guided` as it is, 1 gives it the standard deviation of `conditional`, per sample.
    """
    over_sample = tuple(range(1, guided.ndim))
    ratio = conditional.std(dim=over_sample, keepdim=True) / guided.std(dim=over_sample, keepdim=True)
    return phi * (guided * ratio) + (1 - phi) * guided


@dataclass(frozen=True)
class Guidance:
    """How strongly a prompt pulls, and when.

    Attributes:
        scale: w. 1 is off (the conditional branch alone), 0 the unconditional branch alone.
        rescale: phi of `rescale_guidance`, 0..1.
        start: guidance is on from this fraction of the steps...
        stop: ...up to this one (an interval of levels, after Kynkaanniemi et al. 2024); outside it w is 1.

    Raises:
        ConfigError: when a value is out of range.
    """

    scale: float
    rescale: float = 0.0
    start: float = 0.0
    stop: float = 1.0

    def __post_init__(self) -> None:
        if self.scale < 0:
            raise _out_of_range("guidance", self.scale, "0 or more; 1 is off")
        if not 0 <= self.rescale <= 1:
            raise _out_of_range("guidance_rescale", self.rescale, "0 to 1")
        if not 0 <= self.start <= self.stop <= 1:
            raise _out_of_range(
                "guidance_start, guidance_stop", (self.start, self.stop), "0 <= start <= stop <= 1"
            )

    def scale_at(self, step: int, num_steps: int) -> float:
        """Return w at sampling step `step` of 0..num_steps-1."""
        return self.scale if self.start <= step / num_steps < self.stop else 1.0

    def needs_unconditional(self) -> bool:
        """Whether any step may evaluate the unconditional branch."""
        return self.scale != 1 and self.start < self.stop


OFF = Guidance(scale=1.0)


def _out_of_range(field: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(
        f"{field} is out of range",
        where=field,
        why=f"it is {value}",
        fix=f"choose a value in range: {allowed}",
    )
