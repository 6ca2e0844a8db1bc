"""Image sets to latents and embeddings, a batch at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.images import Picture, read_captions, stream_images
from moongate.models.base import DiffusionModel
from moongate.models.finite import require_finite
from moongate.models.latents import encode_posterior, from_uint8
from moongate.models.prompt_book import PromptBook


@dataclass(frozen=True)
class EncodedPicture:
    """A picture with its posterior: mean and std, (C, h, w) float32, NOT scaled for the UNet."""

    picture: Picture
    mean: Tensor
    std: Tensor


def embed_captions(model: DiffusionModel, images: Path, prompt_of: Callable[[str], str]) -> PromptBook:
    """Return the embeddings of the distinct prompts of an image set.

    Args:
        model: its text encoder.
        images: folder of the image set.
        prompt_of: from a caption to the prompt.

    Raises:
        InputError: when a prompt is too long for the model.
    """
    return PromptBook(model, (prompt_of(caption) for caption in read_captions(images)))


def encode_pictures(
    model: DiffusionModel, images: Path, batch_size: int, finished: FinishedBatches
) -> Iterator[EncodedPicture]:
    """Yield every picture of an image set with its posterior, `batch_size` of them in memory at a time.

    Args:
        model: its VAE encodes, in float32.
        images: folder of the image set.
        batch_size: pictures encoded at once.
        finished: batches of an interrupted encoding, and where this one keeps its own.

    Raises:
        NumericsError: when a latent is not finite; it names the pictures.
        StopError: after a batch, when the process was asked to stop.
    """
    for pictures in stream_images(images, batch_size):
        names = [picture.image_id for picture in pictures]
        if (found := finished.find(names)) is None:
            found = _encode(model, pictures, names)
            finished.publish(names, found)
        means, stds = (torch.from_numpy(found.arrays[name]) for name in ("mean", "std"))
        yield from map(EncodedPicture, pictures, means, stds)


def _encode(model: DiffusionModel, pictures: Sequence[Picture], names: Sequence[str]) -> Batch:
    """Return `mean` and `std` of a batch, each (B, C, h, w) float32."""
    pixels = torch.from_numpy(np.stack([picture.pixels() for picture in pictures]))
    means, stds = encode_posterior(model.vae, from_uint8(pixels).to(model.device))
    require_finite(
        torch.cat([means, stds], dim=1),
        names,
        where="cache, VAE posterior",
        fix="look at these pictures; if they are ordinary ones, the weights of the VAE are damaged",
    )
    return Batch({"mean": means.cpu().numpy(), "std": stds.cpu().numpy()})
