"""What the bundled models can do on held-out renders and prompts, and the model card that says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional
from transformers import CLIPModel, CLIPTokenizer, ViTModel

from moongate.diffusion.guidance import Guidance
from moongate.diffusion.noise import gaussian_batch
from moongate.diffusion.samplers import Ddim, sample
from moongate.diffusion.schedule import timestep_table
from moongate.models.base import DiffusionModel, load_model
from moongate.models.denoiser import Denoiser
from moongate.models.devices import resolve_device
from moongate.models.latents import decode, to_uint8
from moongate.models.source import BaseSource
from moongate.models.text import encode_prompts
from moongate.progress import Progress
from moongate.toybox.captions import full_caption
from moongate.toybox.judges import Judges
from moongate.toybox.pretraining.autoencoder import reconstruction_psnr
from moongate.toybox.pretraining.config import PretrainConfig
from moongate.toybox.pretraining.held_out import held_out_prompts
from moongate.toybox.pretraining.identity import draw_views
from moongate.toybox.pretraining.language_image import token_ids
from moongate.toybox.pretraining.renders import RenderedSet
from moongate.toybox.vocabulary import SceneSpec

VAE_PICTURES = 500
RETRIEVAL_SIZE = 128
STEPS, GUIDANCE = 50, 3.0
BATCH = 100
HELD_OUT_VIEWS_SEED = 987_654


@dataclass(frozen=True)
class Figures:
    """The measured quality of the bundle; shares are in 0..1, PSNR in dB."""

    vae_psnr_db: float
    judge_object: float
    judge_colour: float
    judge_scene: float
    prompts: int
    sample_object: float
    sample_colour: float
    sample_scene: float
    clip_retrieval: float
    clip_candidates: int
    identity_retrieval: float
    identity_candidates: int


def measure(bundle: Path, held_out: RenderedSet, config: PretrainConfig, progress: Progress) -> Figures:
    """Measure the bundle at `bundle` and write `figures.json` and `model_card.md` beside the models."""
    device = resolve_device(config.device)
    model = load_model(BaseSource(bundle / "base", "toybox"), device, config.precision)
    judges = Judges.load(bundle / "judges")
    rendered = judge_pictures(judges, held_out.images, held_out.specs)
    specs = held_out_prompts(config.judged_prompts, config.pictures, progress)
    drawn = judge_pictures(judges, draw(model, specs, config.seed, progress), specs)
    candidates = min(RETRIEVAL_SIZE, len(held_out))
    some = RenderedSet(held_out.specs[:VAE_PICTURES], held_out.images[:VAE_PICTURES])
    figures = Figures(
        reconstruction_psnr(model.vae, some),
        *rendered,
        len(specs),
        *drawn,
        clip_retrieval(bundle / "clip", held_out, candidates),
        candidates,
        identity_retrieval(bundle / "identity", config.identity.batch_size),
        2 * config.identity.batch_size - 1,
    )
    (bundle / "figures.json").write_text(json.dumps(asdict(figures), indent=2) + "\n")
    (bundle / "model_card.md").write_text(model_card(figures, config))
    return figures


def draw(model: DiffusionModel, specs: Sequence[SceneSpec], seed: int, progress: Progress) -> torch.Tensor:
    """Draw one picture for the full caption of each spec: (N, H, W, 3) uint8."""
    table = timestep_table(model.schedule, STEPS)
    empty = encode_prompts(model, [""])
    pictures = []
    with progress.track(f"draw {len(specs)} prompts", len(specs)) as advance:
        for start in range(0, len(specs), BATCH):
            captions = [full_caption(spec) for spec in specs[start : start + BATCH]]
            denoise = Denoiser(
                model,
                encode_prompts(model, captions),
                table=table,
                guidance=Guidance(GUIDANCE),
                unconditional=empty,
            )
            z_T = gaussian_batch(model.latent_shape, seed, "figures", range(start, start + len(captions)))
            z_0 = sample(denoise, z_T.to(model.device), model.schedule, table, sampler=Ddim(eta=0.0))
            pictures.append(to_uint8(decode(model.vae, z_0)).cpu())
            advance(len(captions))
    return torch.cat(pictures)


def judge_pictures(
    judges: Judges, pictures: torch.Tensor, specs: Sequence[SceneSpec]
) -> tuple[float, float, float]:
    """Return the shares of pictures whose object, colour and scene are judged to be those of the specs."""
    verdicts = judges.judge(list(pictures.numpy()))
    pairs = list(zip(verdicts, specs, strict=True))
    return (
        sum(v.object == s.object for v, s in pairs) / len(pairs),
        sum(v.colour == s.colour for v, s in pairs) / len(pairs),
        sum(v.scene == s.scene for v, s in pairs) / len(pairs),
    )


@torch.no_grad()
def clip_retrieval(folder: Path, held_out: RenderedSet, candidates: int) -> float:
    """Return how often a held-out picture is nearest to its own caption, of `candidates` captions."""
    clip = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    shares = []
    for start in range(0, len(held_out) - candidates + 1, candidates):
        rows = range(start, start + candidates)
        ids = token_ids(tokenizer, [full_caption(held_out.specs[row]) for row in rows])
        logits = clip(input_ids=ids, pixel_values=held_out.pixels(rows)).logits_per_image
        shares.append((logits.argmax(dim=1) == torch.arange(candidates)).float().mean())
    return float(torch.stack(shares).mean())


@torch.no_grad()
def identity_retrieval(folder: Path, things: int, batches: int = 6) -> float:
    """Return how often a thing's other picture is the nearest of all pictures of `things` things."""
    encoder = ViTModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False).eval()
    shares = []
    for step in range(batches):
        views = draw_views(HELD_OUT_VIEWS_SEED, step, range(things), things).pixels
        features = functional.normalize(
            encoder(pixel_values=views.flatten(0, 1)).last_hidden_state[:, 0], dim=1
        )
        similarity = features @ features.T
        similarity.fill_diagonal_(-1)
        nearest = similarity.argmax(dim=1)
        shares.append((nearest == torch.arange(2 * things).roll(things)).float().mean())
    return float(torch.stack(shares).mean())


def model_card(figures: Figures, config: PretrainConfig) -> str:
    """Return the model card as Markdown; every number in it was measured."""
    identity = f"1 of {figures.identity_candidates}: {figures.identity_retrieval:.1%}"
    return f"""# Toybox: the bundled latent diffusion model

A text-to-image latent diffusion model of a small drawn world (14 objects, 10 colours, 10 scenes), trained by
`moongate pretrain` from nothing but its own renders, and the encoders and judges that measure
personalization in it.

| model | layout | measured on held-out renders |
|---|---|---|
| `base/vae` | AutoencoderKL, 64 x 64 to 4 x 16 x 16 | PSNR {figures.vae_psnr_db:.2f} dB |
| `base/unet`, `base/text_encoder` | UNet2DConditionModel (v-prediction), CLIPTextModel | see below |
| `clip` | CLIPModel | picture to caption, 1 of {figures.clip_candidates}: {figures.clip_retrieval:.1%} |
| `identity` | ViTModel (CLS token) | same thing elsewhere, {identity} |
| `judges` | own, on renders only | object {figures.judge_object:.1%}, colour {figures.judge_colour:.1%}, \
scene {figures.judge_scene:.1%} |

{figures.prompts:,} prompts that no training picture has as its caption, one picture each, DDIM with {STEPS}
steps at guidance {GUIDANCE:g}, judged right: **object {figures.sample_object:.1%}, colour \
{figures.sample_colour:.1%}, scene {figures.sample_scene:.1%}**.

Training: {config.pictures:,} pictures of the vocabulary and {config.instance_pictures:,} in unnamed looks;
autoencoder {config.autoencoder.steps:,} steps of {config.autoencoder.batch_size}, its decoder
{config.decoder.steps:,} more, denoiser {config.denoiser.steps:,} steps of {config.denoiser.batch_size}; the
text encoder starts as CLIP's text tower and is trained with the U-Net. Weights are float16 safetensors.
Intended for learning, tests and comparisons of methods; it knows nothing of photographs.
"""
