"""What people have instead of sharded latents: encoding in the loop, and one file per picture."""

from __future__ import annotations

from pathlib import Path

from benchmarks.speed.racing import Done, Portion
from moongate.models.source import BaseSource


def encode_in_loop(base: BaseSource, device: str, images: Path, pictures: int, batch: int) -> Portion:
    """Return what decodes and encodes `pictures` pictures, `batch` at a time, and keeps nothing."""
    import torch

    from moongate.artifacts.images import read_images
    from moongate.models.base import load_model

    model, known = load_model(base, device, "float32"), read_images(images)
    chosen = [known[number % len(known)] for number in range(pictures)]

    @torch.no_grad()
    def portion() -> Done:
        for first in range(0, pictures, batch):
            pixels = [torch.from_numpy(one.pixels().copy()) for one in chosen[first : first + batch]]
            stacked = torch.stack(pixels).permute(0, 3, 1, 2).float().to(model.device) / 127.5 - 1
            model.vae.encode(stacked).latent_dist.sample().cpu()
        return Done(pictures)

    return portion


def write_files(folder: Path, shape: tuple[int, ...], rows: int) -> Portion:
    """Return what writes one .npz per picture, mean and deviation, as trainers with a cache on disk do."""
    import numpy as np

    mean, std = (np.ones(shape, dtype=np.float32) for _ in range(2))
    folder.mkdir(parents=True, exist_ok=True)

    def portion() -> Done:
        for row in range(rows):
            np.savez(folder / f"{row:06d}.npz", mean=mean, std=std)
        return Done(rows)

    return portion


def read_files(folder: Path, rows: tuple[int, ...]) -> Portion:
    """Return what reads the means of `rows`, one file each."""
    import numpy as np
    import torch

    def portion() -> Done:
        for row in rows:
            with np.load(folder / f"{row:06d}.npz") as file:
                torch.from_numpy(file["mean"])
        return Done(len(rows))

    return portion
