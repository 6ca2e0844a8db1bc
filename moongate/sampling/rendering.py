"""Latents to 8-bit pictures."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moongate.models.base import DiffusionModel
from moongate.models.latents import decode, to_uint8

Pixels = NDArray[np.uint8]

# Decoded pictures take 48 times the room of their latents and more; only a few exist as floats at a time.
_PICTURES_AT_ONCE = 16


def render(model: DiffusionModel, latents: Tensor) -> Pixels:
    """Return the pictures of latents, (B, H, W, 3) uint8 sRGB.

    Args:
        model: its VAE decodes.
        latents: (B, C, h, w) float32, scaled for the UNet.
    """
    parts = [to_uint8(decode(model.vae, part)).cpu() for part in latents.split(_PICTURES_AT_ONCE)]
    return torch.cat(parts).numpy()
