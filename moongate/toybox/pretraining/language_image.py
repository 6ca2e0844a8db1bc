"""The CLIP pair: a text tower and an image tower whose cosine says how well a caption fits a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from typing_extensions import override

from moongate.toybox.pretraining.renders import RenderedSet, batch_rows, step_captions
from moongate.toybox.pretraining.tokenizer import MAX_TOKENS
from moongate.training.objective import Losses, Objective

TEXT_WIDTH, IMAGE_WIDTH, PROJECTION = 128, 128, 128
PATCH = 8


def build_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """Return a fresh small CLIP (Radford et al. 2021) for 64 x 64 pictures; random weights."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 4 * TEXT_WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    image = {
        "image_size": 64,
        "patch_size": PATCH,
        "hidden_size": IMAGE_WIDTH,
        "intermediate_size": 4 * IMAGE_WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=PROJECTION))


def token_ids(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """Return (B, MAX_TOKENS) int64 ids, padded as Stable Diffusion pads."""
    return tokenizer(list(texts), padding="max_length", max_length=MAX_TOKENS, return_tensors="pt").input_ids


class ClipObjective(Objective):
    """The symmetric cross-entropy over all pairs of the batch (Radford et al. 2021, figure 3).

    Trained on looks that no word names as well as on the vocabulary's: otherwise any subject's real picture
    would score below an ordinary thing of its class, and prompt fidelity would punish a faithful model.
    """

    separable = False

    def __init__(
        self,
        clip: CLIPModel,
        tokenizer: CLIPTokenizer,
        sets: Sequence[RenderedSet],
        batch_size: int,
        seed: int,
    ):
        super().__init__()
        self.clip = clip
        self.batch_size = batch_size
        self._tokenizer = tokenizer
        self._pictures = RenderedSet.joined(sets)
        self._seed = seed

    @override
    def trained_modules(self) -> Mapping[str, nn.Module]:
        return {"clip": self.clip}

    @override
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        rows = batch_rows(self._seed, step, slots, self.batch_size, len(self._pictures))
        captions = step_captions(self._pictures.specs, rows, self._seed, step)
        output = self.clip(
            input_ids=token_ids(self._tokenizer, captions).to(self.clip.device),
            pixel_values=self._pictures.pixels(rows).to(self.clip.device),
        )
        logits = output.logits_per_text.float()
        matching = torch.arange(len(captions), device=logits.device)
        loss = (functional.cross_entropy(logits, matching) + functional.cross_entropy(logits.T, matching)) / 2
        accuracy = (logits.argmax(dim=1) == matching).float().mean()
        return Losses(loss, {"retrieval": accuracy})
