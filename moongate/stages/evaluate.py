"""Evaluate: every metric of a run, one row a picture and one row a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef, InversionsRef, MetricsRef, Ref, SampleSetRef
from moongate.artifacts.schemas import METRICS, SUMMARY
from moongate.artifacts.shards import Shard, ShardDone
from moongate.artifacts.store import BuildFacts, Obtained, Store
from moongate.artifacts.tables import write_table
from moongate.bad_items import accounted, read_bad_items
from moongate.config import EvaluateConfig, OnBadItem
from moongate.evaluation.toybox_judge import JudgeSource, judges_of, load_judge
from moongate.models.extractor_source import ExtractorSource, resolve_extractor
from moongate.models.footprint import FLOAT32
from moongate.models.source import BaseSource
from moongate.stages.context import StageContext

if TYPE_CHECKING:
    from moongate.evaluation.galleries import Eyes
    from moongate.evaluation.measure import Material

STAGE = "evaluate"
REVISION = 4
METRICS_NAME = "metrics.parquet"
SUMMARY_NAME = "summary.parquet"
# Of one picture: its rows in the table of metrics, and its share of what a batch has beside the features.
_ROWS_BYTES = 512
_WORDS_BYTES = 1024


@dataclass(frozen=True)
class EvaluateInputs:
    """Everything a run is judged by. A set that it does not have is None; its metrics are then `missing`.

    Attributes:
        base: decides whether the toybox's exact judges may be asked.
        class_noun: stands for the subject in the texts that CLIP compares samples with.
        train: the pictures that the model was tuned on; every similarity is measured to them.
        tuned_samples, base_samples: the same prompts, drawn by both models.
        holdout: pictures of the same subject kept from training, the bound that real pictures set.
        tuned_class, base_class: pictures of the plain class ("a duck"), drawn by both models.
        tuned_inversions, base_inversions: inversions of the evaluation pictures under both models.
        seed: root of the bootstrap's random numbers.
        on_bad_item: whether a picture or text without features ends the stage.
    """

    base: BaseSource
    class_noun: str
    train: ImageSetRef
    tuned_samples: SampleSetRef
    base_samples: SampleSetRef
    holdout: ImageSetRef | None = None
    tuned_class: SampleSetRef | None = None
    base_class: SampleSetRef | None = None
    tuned_inversions: InversionsRef | None = None
    base_inversions: InversionsRef | None = None
    seed: int = 0
    on_bad_item: OnBadItem = "stop"

    def refs(self) -> tuple[tuple[str, Ref], ...]:
        """Name and reference of every artifact that is there."""
        found: dict[str, Ref | None] = {
            "train": self.train,
            "holdout": self.holdout,
            "tuned_samples": self.tuned_samples,
            "base_samples": self.base_samples,
            "tuned_class": self.tuned_class,
            "base_class": self.base_class,
            "tuned_inversions": self.tuned_inversions,
            "base_inversions": self.base_inversions,
        }
        return tuple((name, ref) for name, ref in found.items() if ref is not None)


class EvaluateSettings(BaseModel):
    """What decides the figures beside the inputs. The extractors' ids are a part of every metric's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: str
    clip: str
    class_noun: str
    bootstrap_draws: int
    confidence: float
    seed: int


@dataclass(frozen=True)
class Instruments:
    """Where the extractors and judges lie."""

    identity: ExtractorSource
    clip: ExtractorSource
    judges: JudgeSource | None


def recipe(config: EvaluateConfig, inputs: EvaluateInputs) -> Recipe[MetricsRef]:
    """Return the metrics' recipe, hashing the extractors' weights.

    Raises:
        ModelError: when an extractor cannot be found or is incomplete.
    """
    return _recipe(config, inputs, _find(config, inputs))


def evaluate(config: EvaluateConfig, inputs: EvaluateInputs, context: StageContext) -> Obtained[MetricsRef]:
    """Measure a run: `metrics.parquet` with a row a picture, `summary.parquet` with a row a metric and model.

    Raises:
        ModelError: when an extractor cannot be found, is incomplete, or does not fit its preprocessing.
        InputError: when the two models drew other prompts, a set is empty or another model's, or a prompt is
            too long for CLIP and bad items are not skipped.
        NumericsError: when a feature has no direction, and bad items are not skipped, or none of a set has
            one; it names the pictures.
        StopError: after a batch, when the process was asked to stop.
    """
    instruments = _find(config, inputs)
    recipe_ = _recipe(config, inputs, instruments)

    def build(folder: Path) -> BuildFacts:
        from moongate.evaluation.measure import measure
        from moongate.evaluation.summaries import Resampling
        from moongate.toybox.vocabulary import COLOURS, OBJECTS, SCENES

        material = _open(inputs, context.store)
        _require_room(instruments, material, recipe_, context)
        with _device(context) as device:
            measured = measure(
                material,
                _load(instruments, config.batch_size, device),
                {"object": OBJECTS, "colour": COLOURS, "scene": SCENES},
                Resampling(config.bootstrap_draws, config.confidence, inputs.seed),
                context.finished_batches(recipe_, device),
                inputs.on_bad_item,
                context.progress,
            )
        write_table(folder / METRICS_NAME, [asdict(row) for row in measured.rows], METRICS)
        write_table(folder / SUMMARY_NAME, [asdict(row) for row in measured.summary], SUMMARY)
        return BuildFacts(items=measured.num_pictures, device=device)

    obtained = context.store.obtain(recipe_, build)
    bad = read_bad_items(context.store.folder(obtained.ref) / METRICS_NAME, "item_id")
    return accounted(obtained, bad, inputs.on_bad_item, STAGE)


def num_items(config: EvaluateConfig, inputs: EvaluateInputs, store: Store) -> int:
    """Return the number of pictures to look at; all of them have to be in the store."""
    return sum(len(pictures.items) for pictures in _open(inputs, store).sets)


def do_shard(
    config: EvaluateConfig, inputs: EvaluateInputs, shard: Shard, context: StageContext
) -> ShardDone:
    """Look at the pictures of a shard, for `evaluate` to find their features.

    Raises:
        MoongateError, StopError: as `evaluate` does.
    """
    instruments = _find(config, inputs)
    recipe_ = _recipe(config, inputs, instruments)

    def compute() -> ShardDone:
        from moongate.evaluation.galleries import look_at_shard

        material = _open(inputs, context.store)
        _require_room(instruments, material, recipe_, context)
        with _device(context) as device:
            sets, eyes = material.sets, _load(instruments, config.batch_size, device)
            finished = context.finished_batches(recipe_, device)
            share = sum(len(pictures.items) for pictures in sets) // shard.count
            with context.progress.track(STAGE, share) as advance:
                return ShardDone(look_at_shard(sets, shard, eyes, finished, advance), 0, device)

    return context.store.share(recipe_, shard, compute)


@contextmanager
def _device(context: StageContext) -> Iterator[str]:
    """Yield a device that is leased for looking."""
    from moongate.memory import out_of_memory_explained
    from moongate.models.devices import resolve_device
    from moongate.models.kernels import refuse_tf32
    from moongate.models.leases import leased_device

    with leased_device(context.device) as leased, out_of_memory_explained(f"evaluate on {leased}"):
        refuse_tf32()
        yield str(resolve_device(leased))


def _require_room(
    instruments: Instruments, material: "Material", recipe_: Recipe[MetricsRef], context: StageContext
) -> None:
    """Ask for room for the most that the tables take, and the features of every picture until then."""
    count = sum(len(pictures.items) for pictures in material.sets)
    features = (instruments.identity.width + instruments.clip.width) * FLOAT32
    context.require_room(recipe_, artifact=count * _ROWS_BYTES, batches=count * (features + _WORDS_BYTES))


def _find(config: EvaluateConfig, inputs: EvaluateInputs) -> Instruments:
    return Instruments(
        identity=resolve_extractor("identity", config.identity),
        clip=resolve_extractor("clip", config.clip),
        judges=judges_of(inputs.base),
    )


def _recipe(config: EvaluateConfig, inputs: EvaluateInputs, instruments: Instruments) -> Recipe[MetricsRef]:
    settings = EvaluateSettings(
        identity=instruments.identity.name,
        clip=instruments.clip.name,
        class_noun=inputs.class_noun,
        bootstrap_draws=config.bootstrap_draws,
        confidence=config.confidence,
        seed=inputs.seed,
    )
    digests = [(name, ref.digest) for name, ref in inputs.refs()]
    digests += [("identity_weights", instruments.identity.digest), ("clip_weights", instruments.clip.digest)]
    if instruments.judges:
        digests.append(("judge_weights", instruments.judges.digest))
    return Recipe(STAGE, REVISION, settings, tuple(digests), MetricsRef)


def _open(inputs: EvaluateInputs, store: Store) -> "Material":
    from moongate.evaluation.measure import Material
    from moongate.evaluation.picture_sets import open_pictures, open_samples

    folders = {name: store.folder(ref) for name, ref in inputs.refs()}
    noun = inputs.class_noun
    return Material(
        training=open_pictures(folders["train"]),
        holdout=open_pictures(folders["holdout"]) if inputs.holdout else None,
        tuned=open_samples(folders["tuned_samples"], "tuned", noun),
        base=open_samples(folders["base_samples"], "base", noun),
        tuned_class=open_samples(folders["tuned_class"], "tuned", noun) if inputs.tuned_class else None,
        base_class=open_samples(folders["base_class"], "base", noun) if inputs.base_class else None,
        tuned_inversions=folders.get("tuned_inversions"),
        base_inversions=folders.get("base_inversions"),
    )


def _load(instruments: Instruments, batch_size: int, device: str) -> "Eyes":
    from moongate.evaluation.galleries import Eyes
    from moongate.models.features import ClipExtractor, ViTExtractor

    return Eyes(
        identity=ViTExtractor(instruments.identity, device, batch_size),
        clip=ClipExtractor(instruments.clip, device, batch_size),
        judge=load_judge(instruments.judges) if instruments.judges else None,
        batch_size=batch_size,
    )
