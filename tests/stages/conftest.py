"""What the tests of model stages share: a tiny base, five captioned pictures, and a tuned UNet."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from moongate.artifacts.images import Picture, write_images
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef, ImageSetRef
from moongate.artifacts.store import Store
from moongate.models.adapters import AdapterCard, save_adapter
from moongate.models.source import BaseSource
from moongate.settings import Settings
from moongate.stages.context import StageContext

CAPTIONS = ("a red duck", "a blue duck", "a duck in the snow", "a red duck", "a photo of the beach")

UNET_WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


class Made(Settings):
    by: str = "a test"


@pytest.fixture(scope="session")
def base(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> BaseSource:
    """The tiny model as tame as a trained one: latents of unit size, and a UNet that bends paths gently.

    With plain random weights the way to z_T is chaotic, and inversion could not be judged by it.
    """
    folder = tmp_path_factory.mktemp("models") / "tame"
    shutil.copytree(tiny_sd1, folder)
    tensors = load_file(folder / UNET_WEIGHTS)
    for name in ("conv_out.weight", "conv_out.bias"):
        tensors[name] *= 0.1
    save_file(tensors, folder / UNET_WEIGHTS, metadata={"format": "pt"})
    vae = json.loads((folder / "vae/config.json").read_text())
    (folder / "vae/config.json").write_text(json.dumps(vae | {"scaling_factor": 5.0}))
    return BaseSource(folder, name="tame")


@pytest.fixture(scope="session")
def new_context(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], StageContext]:
    """Makes contexts, each with an empty store of its own."""
    return lambda: StageContext(Store(tmp_path_factory.mktemp("store")), device="cpu")


@pytest.fixture
def context(new_context: Callable[[], StageContext]) -> StageContext:
    return new_context()


def smooth_picture(number: int) -> Picture:
    """A smooth picture of 32 x 32 pixels, whose id does not sort like its number."""
    x, y = np.meshgrid(np.linspace(0, 1, 32), np.linspace(0, 1, 32))
    waves = [np.sin((number + 1) * x * 3 + channel) * np.cos(y * (channel + 2)) for channel in range(3)]
    pixels = np.round((np.stack(waves, axis=2) + 1) * 127.5).astype(np.uint8)
    return Picture.from_pixels(
        pixels, image_id=f"p{9 - number}", file_name=f"{number}.png", text=CAPTIONS[number]
    )


@pytest.fixture(scope="session")
def put_images() -> Callable[[StageContext], ImageSetRef]:
    """Puts five captioned pictures into a store."""

    def put(context: StageContext) -> ImageSetRef:
        recipe = Recipe("ingest", 1, Made(), (), ImageSetRef)
        pictures = [smooth_picture(number) for number in range(len(CAPTIONS))]
        return context.store.obtain(recipe, lambda folder: write_images(folder, pictures)).ref

    return put


@pytest.fixture(scope="session")
def put_adapter(base: BaseSource) -> Callable[[StageContext], AdapterRef]:
    """Puts an adapter into a store that changes the UNet a little."""

    def build(folder: Path) -> None:
        weights = load_file(base.folder / UNET_WEIGHTS)
        noise = torch.Generator().manual_seed(5)
        changed = {
            name: tensor + 0.01 * torch.randn(tensor.shape, generator=noise)
            for name, tensor in weights.items()
        }
        save_adapter(
            folder, changed, None, AdapterCard("dreambooth", "sks", "duck", base.digest(), 3, "a test")
        )

    def put(context: StageContext) -> AdapterRef:
        return context.store.obtain(Recipe("train", 1, Made(), (), AdapterRef), build).ref

    return put
