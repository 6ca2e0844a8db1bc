"""Every setting of a run: one frozen model per stage, nested in `RunConfig`.

Unknown keys are errors, every field has a literal default and a description with its unit, and nothing here
imports torch: the command line and the run form of a server are made from these models.
"""

import re
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from moongate.settings import Settings, check_placeholders
from moongate.subject import SubjectConfig
from moongate.unet_layers import UNetLayers

__all__ = [
    "BaseConfig",
    "CacheConfig",
    "EvaluateConfig",
    "GateConfig",
    "IngestConfig",
    "InvertConfig",
    "OnBadItem",
    "PriorConfig",
    "RecordConfig",
    "RunConfig",
    "SampleConfig",
    "SubjectConfig",
    "TrainConfig",
]

OnBadItem = Literal["stop", "skip"]

# No method personalizes anything in fewer.
_FEWEST_STEPS = 30
_COMMIT = re.compile(r"[0-9a-f]{40}")


class BaseConfig(Settings):
    """The frozen text-to-image model that personalization starts from."""

    model: str = Field(
        "toybox",
        description="toybox (bundled), a folder in diffusers layout, or a hub id such as owner/name.",
    )
    revision: str | None = Field(
        None, description="Commit of a hub model, 40 hex digits; required for hub ids, unused otherwise."
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "bfloat16", description="Arithmetic inside the network; the sampler's state is always float64."
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:<n>. Does not change what is cached.")
    deterministic: bool = Field(
        False,
        description="Compute only with kernels that give the same bits each time: slower on a GPU, and on a "
        "CPU no change. Does not change what is cached.",
    )

    @field_validator("revision")
    @classmethod
    def _is_a_commit(cls, value: str | None) -> str | None:
        if value is not None and not _COMMIT.fullmatch(value):
            raise ValueError(
                f"{value!r} is not a commit of 40 hex digits; a branch or tag can move under a run"
            )
        return value

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ValueError(f"{value!r} is not auto, cpu, cuda or cuda:<n>")
        return value


class IngestConfig(Settings):
    """Which pictures are accepted and how they are brought to one form."""

    resolution: int | None = Field(
        None,
        ge=16,
        multiple_of=8,
        description="Side of the square pictures in pixels; none = the base model's.",
    )
    min_pictures: int = Field(3, ge=1, description="Fewest accepted pictures in a folder.")
    max_pixels: int = Field(64_000_000, ge=1, description="Largest picture in pixels, read from its header.")
    min_side: int = Field(32, ge=1, description="Shortest side of a picture in pixels, before any resizing.")
    max_aspect: float = Field(3.0, ge=1.0, description="Greatest ratio of the long side to the short side.")
    background: tuple[int, int, int] = Field(
        (255, 255, 255), description="sRGB colour (0-255) behind transparent pixels."
    )
    allow_rejects: bool = Field(
        False, description="Go on without the rejected files. Off: one rejected file stops the stage."
    )
    evaluation_folder: str = Field(
        "datasets/evaluation/images",
        description="Folder with the pictures that are inverted, and metadata.jsonl.",
    )

    @field_validator("background")
    @classmethod
    def _is_a_colour(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if not all(0 <= channel <= 255 for channel in value):
            raise ValueError(f"{value} is not three channels in 0..255")
        return value


class PriorConfig(Settings):
    """Class pictures that the frozen base model draws, one seed each."""

    num_images: int = Field(48, ge=1, description="Number of class pictures.")
    steps: int = Field(25, ge=1, description="Sampling steps of each picture.")
    guidance: float = Field(3.0, ge=0.0, description="Classifier-free guidance weight; 1 is off.")
    batch_size: int = Field(
        48, ge=1, description="Pictures drawn at once, and the most that a killed process loses."
    )
    first_seed: int = Field(0, ge=0, description="Seed of the first picture; the others count up from it.")


class CacheConfig(Settings):
    """How VAE posteriors and the base model's text embeddings are computed and laid out."""

    batch_size: int = Field(
        32, ge=1, description="Pictures encoded at once, and the most that a killed process loses."
    )
    shard_rows: int = Field(2000, ge=1, description="Latents per safetensors shard.")


class TrainConfig(Settings):
    """What is trained, for how long, and which step is kept."""

    method: Literal["dreambooth"] = Field("dreambooth", description="Personalization method.")
    steps: int = Field(400, ge=1, description="Optimizer steps.")
    learning_rate: float = Field(1e-4, gt=0.0, description="AdamW learning rate after the warm-up.")
    batch_size: int = Field(
        4,
        ge=1,
        description="Subject pictures per step and accumulation; as many prior pictures come beside them.",
    )
    prior_weight: float = Field(
        1.0,
        ge=0.0,
        description="Weight (lambda) of the prior preservation loss; 0 leaves it and its stage out.",
    )
    train_text_encoder: bool = Field(
        True,
        description="Tune the text encoder together with the UNet, which tells the subject from its class "
        "better; false needs less memory and trains on stored embeddings.",
    )
    unet_layers: UNetLayers = Field(
        "all",
        description="Layers of the UNet that are tuned: all, or those of attention only, which needs less "
        "memory and makes small adapters.",
    )
    gradient_checkpointing: bool = Field(
        False,
        description="Compute the UNet's activations a second time instead of keeping them: less memory, more "
        "time, the same result.",
    )
    warmup_steps: int = Field(20, ge=0, description="Steps over which the learning rate rises from 0.")
    max_grad_norm: float = Field(1.0, gt=0.0, description="Gradients are scaled down to this norm.")
    weight_decay: float = Field(1e-2, ge=0.0, description="Decoupled weight decay of AdamW.")
    ema_decay: float | None = Field(
        None,
        ge=0.0,
        lt=1.0,
        description="Decay per step of the averaged weights that are kept; none = no average.",
    )
    gradient_accumulation: int = Field(1, ge=1, description="Batches per optimizer step.")
    stop_after_bad_steps: int = Field(
        3,
        ge=1,
        description="Steps with a loss or gradient that is not finite at which training stops; "
        "those before it are recorded and move no weight.",
    )
    validate_every: int = Field(50, ge=1, description="Steps between validations.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    num_validation_draws: int = Field(
        32, ge=1, description="Fixed (noise, timestep) draws per held-out picture at each validation."
    )
    selection: Literal["last", "validation_loss"] = Field(
        "validation_loss",
        description="Which step becomes the adapter: the last, or the lowest validation loss.",
    )


class InvertConfig(Settings):
    """DDIM inversion of the evaluation pictures, plain and with fixed-point refinement."""

    steps: int = Field(50, ge=1, description="Inversion steps, and sampling steps on the way back.")
    refinement_iterations: int = Field(
        12, ge=1, description="Most fixed-point iterations per step; a picture stops at the tolerance."
    )
    tolerance: float = Field(
        1e-3, gt=0.0, description="Relative residual at which a picture's iterations stop."
    )
    store_trajectory: bool = Field(False, description="Keep the latents of every step, not only the last.")
    batch_size: int = Field(
        32, ge=1, description="Pictures inverted at once, and the most that a killed process loses."
    )
    num_images: int = Field(8, ge=0, description="Evaluation pictures to invert; 0 = all of them.")


class SampleConfig(Settings):
    """Prompts x seeds, and how each picture is drawn."""

    prompts: str = Field(
        "datasets/prompts/live.jsonl", description="Prompt set. Placeholder in the path: {class_noun}."
    )
    seeds_per_prompt: int = Field(4, ge=1, description="Pictures per prompt, one seed each.")
    first_seed: int = Field(0, ge=0, description="Seed of each prompt's first picture.")
    steps: int = Field(50, ge=1, description="Sampling steps.")
    sampler: Literal["ddim", "ddpm"] = Field(
        "ddim", description="Transition rule from one level to the next."
    )
    eta: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="DDIM's share of fresh noise: 0 is deterministic, 1 as noisy as DDPM.",
    )
    guidance: float = Field(3.0, ge=0.0, description="Classifier-free guidance weight; 1 is off.")
    guidance_rescale: float = Field(
        0.0, ge=0.0, le=1.0, description="Share by which guided predictions get back their unguided contrast."
    )
    guidance_start: float = Field(
        0.0, ge=0.0, le=1.0, description="Fraction of the steps where guidance begins."
    )
    guidance_stop: float = Field(
        1.0, ge=0.0, le=1.0, description="Fraction of the steps where guidance ends."
    )
    negative_prompt: str = Field(
        "", description="Prompt of the unconditional branch: what to stay away from."
    )
    batch_size: int = Field(
        64, ge=1, description="Pictures drawn at once, and the most that a killed process loses."
    )
    class_images: int = Field(32, ge=2, description="Class pictures drawn to measure drift of the class.")

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if self.guidance_start >= self.guidance_stop:
            raise ValueError(
                f"guidance_start ({self.guidance_start}) is not before guidance_stop ({self.guidance_stop})"
            )
        if self.sampler == "ddpm" and self.eta != 0.0:
            raise ValueError(f"eta ({self.eta}) belongs to ddim; the ddpm sampler has its own noise")
        return self

    @field_validator("prompts")
    @classmethod
    def _placeholders_are_known(cls, value: str) -> str:
        check_placeholders(value, {"class_noun"})
        return value


class EvaluateConfig(Settings):
    """Which feature extractors judge, and how intervals are drawn."""

    identity: str = Field(
        "bundled", description="Subject fidelity encoder: bundled, a ViT folder, or hub-id@<40 hex digits>."
    )
    clip: str = Field("bundled", description="CLIP model: bundled, a folder, or hub-id@<40 hex digits>.")
    bootstrap_draws: int = Field(1000, ge=100, description="Resamples behind each interval.")
    confidence: float = Field(0.95, gt=0.0, lt=1.0, description="Coverage of the intervals, as a fraction.")
    batch_size: int = Field(
        64, ge=1, description="Pictures per pass of an extractor, and the most that a killed process loses."
    )

    @field_validator("identity", "clip")
    @classmethod
    def _hub_models_are_pinned(cls, value: str) -> str:
        _, at, revision = value.rpartition("@")
        if at and not _COMMIT.fullmatch(revision):
            raise ValueError(f"{value!r} must end in @<commit of 40 hex digits>; a branch or tag can move")
        return value


class RecordConfig(Settings):
    """How results are laid out for people."""

    contact_sheet_columns: int = Field(8, ge=1, description="Pictures per row of a contact sheet.")


Failing = Literal["underfit", "overfit", "collapsed"]


class GateConfig(Settings):
    """When a subject counts as learned well. It names a run's result and may fail the run, no more."""

    min_fidelity: float = Field(
        0.70,
        ge=0.0,
        description="Subject fidelity: least share of the way from the base model to real pictures.",
    )
    min_prompt_fidelity: float = Field(
        0.90, ge=0.0, description="Prompt fidelity: least share of the base model's that is kept."
    )
    max_class_drift: float = Field(
        0.25, ge=0.0, description="Class pictures: greatest share of the way from the class to the subject."
    )
    max_copy: float = Field(
        0.10, ge=0.0, description="Copy score: greatest excess over that of held-out real pictures."
    )
    max_inversion_gap: float = Field(
        0.5,
        ge=0.0,
        description="Refined inversion by the tuned model: greatest loss below the VAE, in dB.",
    )
    min_diversity: float = Field(
        0.5,
        ge=0.0,
        description="Diversity within a prompt: least share of what real pictures of the subject differ by.",
    )
    max_lost: float = Field(
        0.1,
        ge=0.0,
        lt=1.0,
        description="Share of the items behind a figure that may be lost; above it the result is unknown.",
    )
    fail_on: tuple[Failing, ...] = Field((), description="Results that fail the run, such as collapsed.")


class RunConfig(Settings):
    """One run of the whole chain for one subject."""

    seed: int = Field(0, ge=0, description="Root of every random number of the run.")
    on_bad_item: OnBadItem = Field(
        "stop",
        description="When a single picture or prompt cannot be computed: stop the run, or skip it with a row "
        "that says why. Pictures of the subject are never skipped.",
    )
    subject: SubjectConfig = Field(SubjectConfig(), title="Subject", description="The thing to be learned.")
    base: BaseConfig = Field(BaseConfig(), title="Base model", description="The model to start from.")
    ingest: IngestConfig = Field(IngestConfig(), title="Ingest", description="Reading pictures.")
    prior: PriorConfig = Field(PriorConfig(), title="Prior", description="Class pictures by the base model.")
    cache: CacheConfig = Field(CacheConfig(), title="Cache", description="Latents and text embeddings.")
    train: TrainConfig = Field(TrainConfig(), title="Train", description="Personalization.")
    invert: InvertConfig = Field(InvertConfig(), title="Invert", description="DDIM inversion.")
    sample: SampleConfig = Field(SampleConfig(), title="Sample", description="Guided sampling.")
    evaluate: EvaluateConfig = Field(EvaluateConfig(), title="Evaluate", description="Metrics.")
    record: RecordConfig = Field(RecordConfig(), title="Record", description="Tables, sheets and report.")
    gate: GateConfig = Field(GateConfig(), title="Gate", description="What counts as learned well.")

    def caveats(self) -> tuple[str, ...]:
        """Return what a reader of this run's figures has to know first, a sentence each."""
        return (*self._hardly_trained(), *self._judged_by_strangers())

    def _hardly_trained(self) -> Iterator[str]:
        if self.train.steps < _FEWEST_STEPS:
            yield (
                f"A trial: {self.train.steps} training steps show that everything works, and teach hardly "
                "anything. What the figures say of the model means nothing yet."
            )

    def _judged_by_strangers(self) -> Iterator[str]:
        bundled = [name for name in ("identity", "clip") if getattr(self.evaluate, name) == "bundled"]
        if self.base.model != "toybox" and bundled:
            settings = " and ".join(f"evaluate.{name}" for name in bundled)
            yield (
                "The bundled encoders judged this run, and they know the toybox's drawn pictures only. "
                f"For figures that mean something on other pictures, set {settings}."
            )
