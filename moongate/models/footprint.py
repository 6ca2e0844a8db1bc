"""How much room a model's pictures, latents and weights take, read from its files. No torch here."""

import json
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from moongate.models.source import BaseSource
from moongate.unet_layers import UNetLayers, is_tuned

FLOAT32 = 4
FLOAT64 = 8
_CHANNELS = 3


@dataclass(frozen=True)
class Footprint:
    """Sizes in bytes, each the most that one thing takes.

    Attributes:
        latent: one latent in float32.
        embedding: the embedding of one prompt in float32.
        unet: the UNet's weights in float32.
        text_encoder: those of the text encoder.
        vae: those of the VAE.
        resolution: side of the model's pictures, in pixels.
    """

    latent: int
    embedding: int
    unet: int
    text_encoder: int
    vae: int
    resolution: int

    @classmethod
    def of(cls, source: BaseSource) -> "Footprint":
        """Read the sizes from the configuration files and the headers of the weights.

        Raises:
            ModelError: when a file is missing.
        """
        unet, vae, text = (_config(source, part) for part in ("unet", "vae", "text_encoder"))
        # What the files leave out is the libraries' default.
        tokens, width = text.get("max_position_embeddings", 77), text.get("hidden_size", 512)
        return cls(
            latent=vae.get("latent_channels", 4) * unet["sample_size"] ** 2 * FLOAT32,
            embedding=tokens * width * FLOAT32,
            unet=_weights(source, "unet"),
            text_encoder=_weights(source, "text_encoder"),
            vae=_weights(source, "vae"),
            resolution=source.resolution(),
        )

    def at(self, side: int) -> "Footprint":
        """Return the sizes for pictures of another side in pixels, which `ingest.resolution` may ask for."""
        return replace(self, latent=-(-self.latent * side**2 // self.resolution**2), resolution=side)

    @property
    def picture(self) -> int:
        """One picture of `resolution`."""
        return picture_bytes(self.resolution)


def picture_bytes(side: int) -> int:
    """Return the most that the PNG of a square picture takes: its pixels uncompressed, and a little."""
    return side**2 * _CHANNELS + 1024


def tuned_unet_bytes(source: BaseSource, layers: UNetLayers) -> int:
    """Return what the tuned layers of the UNet take in float32."""
    shapes = _shapes(source.folder / source.weights("unet"))
    return sum(prod(shape) for name, shape in shapes.items() if is_tuned(name, layers)) * FLOAT32


def _config(source: BaseSource, part: str) -> dict[str, Any]:
    return dict(json.loads((source.folder / part / "config.json").read_text(encoding="utf-8")))


def _weights(source: BaseSource, part: str) -> int:
    return count_parameters(source.folder / source.weights(part)) * FLOAT32


def count_parameters(path: Path) -> int:
    """Return the number of values in a safetensors file."""
    return sum(prod(shape) for shape in _shapes(path).values())


def _shapes(path: Path) -> dict[str, list[int]]:
    """Return the shapes of the tensors in a safetensors file: 8 bytes of length, then a header in JSON."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
