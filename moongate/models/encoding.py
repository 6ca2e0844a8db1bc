"""Image sets to latents and embeddings, a batch at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.images import Picture, read_captions, stream_images
from moongate.bad_items import BadItem
from moongate.config import OnBadItem
from moongate.models.base import DiffusionModel
from moongate.models.finite import finite_rows, not_finite, not_finite_error
from moongate.models.latents import encode_posterior, from_uint8
from moongate.models.prompt_book import PromptBook

_WHERE = "cache, VAE posterior"
_FIX = "look at these pictures; if they are ordinary ones, the weights of the VAE are damaged"


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
    model: DiffusionModel,
    images: Path,
    batch_size: int,
    finished: FinishedBatches,
    on_bad_item: OnBadItem,
) -> Iterator[EncodedPicture | BadItem]:
    """Yield every picture of an image set with its posterior, `batch_size` of them in memory at a time.

    In the place of a picture without one comes what is wrong with it.

    Args:
        model: its VAE encodes, in float32.
        images: folder of the image set.
        batch_size: pictures encoded at once.
        finished: batches of an interrupted encoding, and where this one keeps its own.
        on_bad_item: whether a picture without a posterior ends the encoding.

    Raises:
        NumericsError: when a latent is not finite, and bad items are not skipped; it names the pictures.
        StopError: after a batch, when the process was asked to stop.
    """
    for pictures in stream_images(images, batch_size):
        names = [picture.image_id for picture in pictures]
        if (found := finished.find(names)) is None:
            found = _encode(model, pictures)
            finished.publish(names, found)
        means, stds = (torch.from_numpy(found.arrays[name]) for name in ("mean", "std"))
        sound = finite_rows(torch.cat([means, stds], dim=1))
        unsound = [name for name, is_finite in zip(names, sound, strict=True) if not is_finite]
        if unsound and on_bad_item == "stop":
            raise not_finite_error(unsound, len(names), where=_WHERE, fix=_FIX)
        for picture, mean, std, is_finite in zip(pictures, means, stds, sound, strict=True):
            yield EncodedPicture(picture, mean, std) if is_finite else not_finite(picture.image_id, _WHERE)


def _encode(model: DiffusionModel, pictures: Sequence[Picture]) -> Batch:
    """Return `mean` and `std` of a batch, each (B, C, h, w) float32."""
    pixels = torch.from_numpy(np.stack([picture.pixels() for picture in pictures]))
    means, stds = encode_posterior(model.vae, from_uint8(pixels).to(model.device))
    return Batch({"mean": means.cpu().numpy(), "std": stds.cpu().numpy()})
