"""What a run left behind, as typed rows: everything the report may say, and nothing it has to guess."""

from dataclasses import dataclass
from datetime import datetime

from moongate.config import GateConfig
from moongate.metrics.rows import MetricRow, ModelRole, SummaryRow
from moongate.prompts import CLASS

NOISE = "noise"


@dataclass(frozen=True)
class SubjectPicture:
    """One picture of the subject as it went into the run (PNG bytes, after ingestion)."""

    file_name: str
    text: str
    png: bytes


@dataclass(frozen=True)
class Shot:
    """One picture that a model drew, from `source`: `noise`, or the latent `inversion:<image_id>`."""

    model: ModelRole
    prompt_id: str
    prompt: str
    kind: str
    seed: int
    source: str
    png: bytes


@dataclass(frozen=True)
class InversionResult:
    """One evaluation image, inverted by one method and drawn again. Null decibels mean identical pictures."""

    model: ModelRole
    image_id: str
    method: str
    psnr_db: float | None
    floor_psnr_db: float | None
    original: bytes
    floor: bytes
    reconstruction: bytes


@dataclass(frozen=True)
class TrainStep:
    """One optimizer step. `prior_loss` is None when prior preservation was off."""

    step: int
    instance_loss: float
    prior_loss: float | None


@dataclass(frozen=True)
class ValidationPoint:
    """The held-out loss at one step, at fixed noise and timesteps."""

    step: int
    loss: float


@dataclass(frozen=True)
class TrainingRecord:
    """How the adapter came to be, and why this step of it was kept.

    Attributes:
        steps: those that were made.
        validation: the held-out losses.
        chosen_step: the step that was kept.
        reason: why.
        incidents: what did not go smoothly, a sentence each: skipped steps, and memory that ran out.
    """

    steps: tuple[TrainStep, ...]
    validation: tuple[ValidationPoint, ...]
    chosen_step: int
    reason: str
    incidents: tuple[str, ...] = ()


@dataclass(frozen=True)
class StageFact:
    """One stage of the run, as executed. Times in seconds, memory in bytes."""

    stage: str
    role: str
    digest: str
    cached: bool
    wall_s: float
    items: int
    unet_evals: int
    peak_memory_bytes: int
    device: str


@dataclass(frozen=True)
class Setting:
    """One configuration value with its declared meaning."""

    name: str
    value: str
    description: str


@dataclass(frozen=True)
class SettingGroup:
    """The settings of one stage."""

    title: str
    meaning: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Ancestry:
    """What a run repeats.

    Attributes:
        parent: id of the run whose settings it took.
        from_stage: the stage that was done again; empty when the run names none.
        overrides: the settings that are not the parent's, as typed.
        forced: whether that stage was built a second time although nothing had changed.
    """

    parent: str
    from_stage: str = ""
    overrides: tuple[str, ...] = ()
    forced: bool = False


@dataclass(frozen=True)
class RunFacts:
    """What identifies the run. Times are UTC. `ancestry` is None when it repeats no other run."""

    run_id: str
    subject: str
    class_noun: str
    identifier: str
    class_prompt: str
    base_model: str
    base_digest: str
    seed: int
    confidence: float
    gate: GateConfig
    started_at: datetime
    finished_at: datetime
    versions: tuple[tuple[str, str], ...] = ()
    settings: tuple[SettingGroup, ...] = ()
    caveats: tuple[str, ...] = ()
    verdict: str = ""
    verdict_reason: str = ""
    ancestry: Ancestry | None = None


@dataclass(frozen=True)
class Evidence:
    """All of a run. An empty tuple or None means that the run did not produce it."""

    run: RunFacts
    training: tuple[SubjectPicture, ...] = ()
    holdout: tuple[SubjectPicture, ...] = ()
    shots: tuple[Shot, ...] = ()
    inversions: tuple[InversionResult, ...] = ()
    fit: TrainingRecord | None = None
    scores: tuple[SummaryRow, ...] = ()
    picture_scores: tuple[MetricRow, ...] = ()
    stages: tuple[StageFact, ...] = ()

    def drawn(self, model: ModelRole) -> tuple[Shot, ...]:
        """What `model` drew of the prompt set, from noise."""
        return tuple(shot for shot in self._from_noise(model) if shot.kind != CLASS)

    def class_pictures(self, model: ModelRole) -> tuple[Shot, ...]:
        """What `model` drew of the plain class."""
        return tuple(shot for shot in self._from_noise(model) if shot.kind == CLASS)

    def from_inversions(self, model: ModelRole) -> tuple[Shot, ...]:
        """What `model` drew from inverted latents."""
        return tuple(shot for shot in self.shots if shot.model == model and shot.source != NOISE)

    def _from_noise(self, model: ModelRole) -> tuple[Shot, ...]:
        return tuple(shot for shot in self.shots if shot.model == model and shot.source == NOISE)
