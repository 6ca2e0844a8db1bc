"""Real ViT and CLIP folders at tiny sizes, with seeded random weights."""

import json
import string
from pathlib import Path

import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTokenizer,
    CLIPVisionConfig,
    ViTConfig,
    ViTModel,
)

SIDE = 16
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]


def write_vit(folder: Path, *, seed: int = 0, **preprocessing: object) -> Path:
    model = ViTModel(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=SIDE,
            patch_size=8,
        ),
        add_pooling_layer=False,
    )
    return _save(model, folder, seed, {"size": SIDE, **preprocessing})


def write_clip(folder: Path, *, seed: int = 0, max_tokens: int = 40, **preprocessing: object) -> Path:
    tokenizer = _spelling_tokenizer()
    tokenizer.save_pretrained(folder)
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "hidden_size": 16}
    text = CLIPTextConfig(
        **layers,
        vocab_size=len(tokenizer),
        max_position_embeddings=max_tokens,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    vision = CLIPVisionConfig(**layers, image_size=SIDE, patch_size=8)
    model = CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=12)
    )
    sizes = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    return _save(model, folder, seed, {**sizes, "do_center_crop": True, **preprocessing})


def _save(model: torch.nn.Module, folder: Path, seed: int, preprocessing: dict[str, object]) -> Path:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.25, generator=generator)
    model.save_pretrained(folder)
    config = {"image_mean": MEAN, "image_std": STD, **preprocessing}
    (folder / "preprocessor_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _spelling_tokenizer() -> CLIPTokenizer:
    letters = [*string.ascii_lowercase, *string.digits]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])
