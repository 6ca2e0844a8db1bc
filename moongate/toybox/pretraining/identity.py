"""The identity encoder, in DINO's part: near for one thing in two scenes, far for two things of a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ViTConfig, ViTModel
from typing_extensions import override

from moongate.toybox.renderer import render
from moongate.toybox.vocabulary import OBJECTS, SceneSpec
from moongate.toybox.worlds import sample_instance_appearance, sample_spec
from moongate.training.objective import Losses, Objective

WIDTH, PROJECTION = 128, 64
TEMPERATURE = 0.1
NAMED_SHARE = 0.3


def build_identity_encoder() -> ViTModel:
    """Return a fresh small ViT in the layout of DINO's (the CLS token is the feature); random weights."""
    return ViTModel(
        ViTConfig(
            image_size=64,
            patch_size=8,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=6,
            num_attention_heads=4,
        ),
        add_pooling_layer=False,
    )


@dataclass(frozen=True)
class Views:
    """Two pictures of each of `instances` things: (2, instances, 3, 64, 64) float32 in [-1, 1]."""

    pixels: Tensor


def draw_views(seed: int, step: int, instances: Sequence[int], batch_size: int) -> Views:
    """Render both views of some slots of batch `step`.

    Slots take the classes in turn, so that every batch holds several different things of each class: telling
    these apart is what the encoder is for. A part of the things wear a named colour, the rest a look outside
    the vocabulary.
    """
    pictures = [[_view(seed, step * batch_size + slot, view) for slot in instances] for view in range(2)]
    pixels = torch.from_numpy(np.array(pictures)).permute(0, 1, 4, 2, 3).float().div(127.5).sub(1)
    return Views(pixels)


def _view(seed: int, thing: int, view: int) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, thing])))
    look, named = sample_spec(int(rng.integers(2**31))), rng.random() < NAMED_SHARE
    appearance = None if named else sample_instance_appearance(int(rng.integers(2**31)))
    surroundings = [sample_spec(int(rng.integers(2**31))) for _ in range(2)][view]
    spec = SceneSpec(
        object=OBJECTS[thing % len(OBJECTS)],
        colour=look.colour if named else None,
        pattern=look.pattern if named else "plain",
        scene=surroundings.scene,
        size=surroundings.size,
        relation=surroundings.relation,
        accessory=surroundings.accessory,
        appearance=appearance,
    )
    return render(spec, int(rng.integers(2**31)) + view).image


class IdentityObjective(Objective):
    """NT-Xent over two views of each thing (Chen et al. 2020, eq. 1), on a projection that is not kept."""

    separable = False

    def __init__(self, encoder: ViTModel, batch_size: int, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, PROJECTION))
        self.batch_size = batch_size
        self._seed = seed

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"identity": self.encoder, "projection": self.projection}

    @override
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        views = draw_views(self._seed, step, slots, self.batch_size).pixels.to(self.encoder.device)
        tokens = self.encoder(pixel_values=views.flatten(0, 1)).last_hidden_state
        features = functional.normalize(self.projection(tokens[:, 0]).float(), dim=1)
        return _nt_xent(features, len(slots))


def _nt_xent(features: Tensor, things: int) -> Losses:
    """Return the loss for features (2 things, D) of unit length, the second half being the other views."""
    logits = features @ features.T / TEMPERATURE
    logits.fill_diagonal_(float("-inf"))
    positive = torch.arange(2 * things, device=features.device).roll(things)
    accuracy = (logits.argmax(dim=1) == positive).float().mean()
    return Losses(functional.cross_entropy(logits, positive), {"retrieval": accuracy})
