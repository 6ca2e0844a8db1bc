"""Small but real base models written to disk in diffusers layout, weights random and the same each time."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WORDS = ("a", "sks", "duck", "red", "blue", "in", "the", "snow", "on", "beach", "striped", "photo", "of")
START, END = "<|startoftext|>", "<|endoftext|>"
MAX_TOKENS = 16


def write_tiny_model(folder: Path, prediction_type: str) -> Path:
    """Write a Stable Diffusion 1.x model for "epsilon", a 2.x model for "v_prediction"; return its folder."""
    second = prediction_type == "v_prediction"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20 + second)
        tokenizer = _tokenizer(folder, pad="!" if second else END)
        pipeline = StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=_text_encoder(len(tokenizer), "gelu" if second else "quick_gelu"),
            tokenizer=tokenizer,
            unet=_unet(attention_head_dim=(2, 4) if second else 4, use_linear_projection=second),
            scheduler=_scheduler(prediction_type),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _tokenizer(folder: Path, pad: str) -> CLIPTokenizer:
    """CLIP's tokenizer over the lower-case letters, digits, some marks, and `WORDS` in one token each."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789!,.-'"
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges: list[str] = []
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merge = f"{pieces[0]} {pieces[1]}"
            pieces[:2] = [pieces[0] + pieces[1]]
            if merge not in merges:
                merges.append(merge)
            if pieces[0] not in vocabulary:
                vocabulary.append(pieces[0])
    vocabulary += [START, END]
    saved = folder / "tokenizer"
    saved.mkdir(parents=True)
    (saved / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (saved / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    return CLIPTokenizer.from_pretrained(saved, pad_token=pad, model_max_length=MAX_TOKENS)


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=32,
        scaling_factor=0.18215,
    ).eval()


def _text_encoder(num_tokens: int, hidden_act: str) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=num_tokens,
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=MAX_TOKENS,
        hidden_act=hidden_act,
        bos_token_id=num_tokens - 2,
        eos_token_id=num_tokens - 1,
    )
    return CLIPTextModel(config).eval()


def _unet(attention_head_dim: int | tuple[int, int], *, use_linear_projection: bool) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=24,
        attention_head_dim=attention_head_dim,
        use_linear_projection=use_linear_projection,
    ).eval()


def _scheduler(prediction_type: str) -> DDIMScheduler:
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,
        timestep_spacing="leading",
    )
