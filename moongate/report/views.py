"""View models: exactly what the template prints, already worded, rounded and ordered."""

from dataclasses import dataclass

from moongate.report.pictures import Thumbnail
from moongate.report.verdict import Grade


@dataclass(frozen=True)
class Missing:
    """A section that this run cannot show, and why."""

    reason: str


@dataclass(frozen=True)
class Figure:
    """A picture with its visible caption, and a number under that."""

    picture: Thumbnail
    caption: str
    value: str = ""


@dataclass(frozen=True)
class Tick:
    """A labelled place on a scale, in percent of its width."""

    label: str
    value: str
    percent: float


@dataclass(frozen=True)
class Scale:
    """A bar between two bounds with the tuned value and its interval on it; `words` says the same."""

    start: Tick
    goal: Tick
    tuned: Tick
    low_percent: float
    width_percent: float
    mark_percent: float
    interval: str
    words: str


@dataclass(frozen=True)
class Answer:
    """One of the three questions, answered."""

    question: str
    grade: Grade
    grade_word: str
    figure: str
    unit: str
    explanation: str
    caveat: str
    scale: Scale | None


@dataclass(frozen=True)
class OriginView:
    """What the run repeats: the parent's id, its report's address (empty when the id is none), and how."""

    parent: str
    href: str
    words: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class SubjectSection:
    """The pictures the model learned from and those it never saw."""

    training: tuple[Figure, ...]
    holdout: tuple[Figure, ...]


@dataclass(frozen=True)
class PromptRow:
    """One prompt, drawn by both models from the same seeds."""

    prompt_id: str
    tuned_prompt: str
    base_prompt: str
    tuned: tuple[Figure, ...]
    base: tuple[Figure, ...]
    scores: str


@dataclass(frozen=True)
class PromptGroup:
    """The prompts of one kind."""

    title: str
    meaning: str
    rows: tuple[PromptRow, ...]


@dataclass(frozen=True)
class SamplesSection:
    """All prompts. `seeds_note` is empty when every seed is shown."""

    groups: tuple[PromptGroup, ...]
    columns: int
    seeds_note: str


@dataclass(frozen=True)
class PairSection:
    """Two strips of pictures, before and after."""

    prompt: str
    base: tuple[Figure, ...]
    tuned: tuple[Figure, ...]
    columns: int
    note: str


@dataclass(frozen=True)
class Curve:
    """An inline SVG with the words that say the same."""

    title: str
    svg: str
    alt: str
    note: str


@dataclass(frozen=True)
class TrainingSection:
    """The curves of training, the reason for the kept step, and what did not go smoothly."""

    validation: Curve | Missing
    loss: Curve | Missing
    chosen_step: int
    reason: str
    incidents: tuple[str, ...]


@dataclass(frozen=True)
class InversionSection:
    """Inverted pictures, one tuple a row."""

    rows: tuple[tuple[Figure, ...], ...]
    floor: str
    columns: int
    note: str


@dataclass(frozen=True)
class GallerySection:
    """One strip of pictures."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class MetricView:
    """One metric over the three models."""

    label: str
    variant: str
    meaning: str
    arrow: str
    arrow_words: str
    real: str
    base: str
    tuned: str
    interval: str
    closed: str
    status: str


@dataclass(frozen=True)
class MetricsSection:
    """A table of metrics."""

    rows: tuple[MetricView, ...]
    confidence: str
    has_real: bool
    has_closed: bool


@dataclass(frozen=True)
class StageView:
    """One stage as executed."""

    stage: str
    role: str
    cached: bool
    time: str
    items: str
    unet_evals: str
    memory: str
    device: str
    digest: str
    short_digest: str


@dataclass(frozen=True)
class StagesSection:
    """The stages and their sums."""

    rows: tuple[StageView, ...]
    total: str


@dataclass(frozen=True)
class SettingView:
    """A configuration value."""

    name: str
    value: str
    description: str


@dataclass(frozen=True)
class SettingsView:
    """The configuration of one stage."""

    title: str
    meaning: str
    settings: tuple[SettingView, ...]


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    run_id: str
    meta: tuple[str, ...]
    origin: OriginView | None
    headline: str
    verdict: str
    verdict_reason: str
    caveats: tuple[str, ...]
    lead_training: tuple[Figure, ...]
    lead_samples: tuple[Figure, ...]
    answers: tuple[Answer, ...]
    subject: SubjectSection | Missing
    samples: SamplesSection | Missing
    class_pictures: PairSection | Missing
    training: TrainingSection | Missing
    inversions: InversionSection | Missing
    inversion_metrics: MetricsSection | Missing
    inverted_samples: GallerySection | Missing
    metrics: MetricsSection | Missing
    judges: MetricsSection | Missing
    stages: StagesSection | Missing
    settings: tuple[SettingsView, ...]
    versions: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
