"""How the bundled models are trained: one small table of numbers per phase."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PhaseConfig(BaseModel):
    """One training of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(gt=0, description="optimizer steps")
    batch_size: int = Field(gt=0, description="pictures (or things, for the identity encoder) a step")
    learning_rate: float = Field(gt=0, description="AdamW's peak learning rate")
    warmup_steps: int = Field(100, ge=0, description="steps of linear warm-up; a cosine to zero follows")
    weight_decay: float = Field(1e-2, ge=0, description="AdamW's decoupled weight decay")
    ema_decay: float | None = Field(None, gt=0, lt=1, description="decay of the weight average, or none")
    checkpoint_every: int = Field(500, gt=0, description="steps between checkpoints")


class PretrainConfig(BaseModel):
    """Everything that decides the bundled weights.

    The model card beside the weights says with which numbers they were trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0, description="seed of all random numbers")
    pictures: int = Field(40_000, gt=0, description="pictures of what the vocabulary can say")
    instance_pictures: int = Field(
        12_000, gt=0, description="pictures of looks that no word names, for the autoencoder and CLIP"
    )
    held_out: int = Field(1_000, gt=0, description="pictures kept for the measured figures")
    judged_prompts: int = Field(
        1_000, gt=0, description="prompts, no training picture's captions, that are drawn and judged"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:<n>")
    precision: Literal["float32", "bfloat16"] = Field(
        "bfloat16", description="precision of the forward passes"
    )
    kl_weight: float = Field(
        2e-4, ge=0, description="weight of the autoencoder's KL term against its squared error"
    )
    autoencoder: PhaseConfig = Field(
        PhaseConfig(steps=5_000, batch_size=8, learning_rate=1e-3, weight_decay=1e-4, ema_decay=0.998),
        title="Autoencoder",
        description="pictures to latents and back: both halves together",
    )
    decoder: PhaseConfig = Field(
        PhaseConfig(steps=4_400, batch_size=8, learning_rate=5e-4, weight_decay=1e-4, ema_decay=0.998),
        title="Decoder",
        description="latents to pictures: the decoder alone, after the encoder is fixed",
    )
    clip: PhaseConfig = Field(
        PhaseConfig(steps=800, batch_size=128, learning_rate=1e-3),
        title="CLIP",
        description="text and picture encoders: the denoiser's conditioning, and the judge of prompts",
    )
    identity: PhaseConfig = Field(
        PhaseConfig(steps=500, batch_size=84, learning_rate=1e-3),
        title="Identity encoder",
        description="tells one thing from another of its kind",
    )
    judges: PhaseConfig = Field(
        PhaseConfig(steps=700, batch_size=64, learning_rate=2e-3, ema_decay=0.99),
        title="Judges",
        description="classifiers of object, colour and scene",
    )
    denoiser: PhaseConfig = Field(
        PhaseConfig(steps=31_400, batch_size=32, learning_rate=6e-4, warmup_steps=200, ema_decay=0.999),
        title="Denoiser",
        description="the UNet: what sampling and personalization run",
    )
