"""Which layers of a UNet are tuned. No torch here."""

from typing import Literal

UNetLayers = Literal["all", "attention"]
# Self-attention and cross-attention, as diffusers names them in every transformer block.
_ATTENTION = frozenset({"attn1", "attn2"})


def is_tuned(parameter: str, layers: UNetLayers) -> bool:
    """Return whether a parameter of the UNet, by its name in the state dict, is among the tuned layers."""
    return layers == "all" or not _ATTENTION.isdisjoint(parameter.split("."))
