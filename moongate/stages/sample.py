"""Sample: pictures by a base or tuned model, for prompts x seeds or from inverted latents."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from moongate.artifacts.inverted import InversionSet
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef, InversionsRef, SampleSetRef
from moongate.artifacts.shards import Shard, ShardDone
from moongate.artifacts.store import BuildFacts, Obtained, Store
from moongate.bad_items import BadItem, accounted, read_bad_items, require_some
from moongate.config import OnBadItem, SampleConfig
from moongate.models.footprint import Footprint
from moongate.models.source import BaseSource
from moongate.prompts import CLASS, PromptRow, class_phrase, identifier_phrase
from moongate.sampling.planning import SAMPLES_NAME, PlannedPicture, RequestedPrompt, SampleSettings
from moongate.stages.context import StageContext
from moongate.subject import SubjectConfig

if TYPE_CHECKING:
    from moongate.sampling.drawing import Studio

STAGE = "sample"
REVISION = 2
_NOT_FOR_THE_ADDRESS = {"prompts", "seeds_per_prompt", "class_images", "batch_size"}


@dataclass(frozen=True)
class SampleInputs:
    """What is drawn by which model: prompts from noise, or a picture for each inverted one.

    Attributes:
        base: the base model.
        precision: arithmetic inside the UNet.
        subject: how prompts name it: "sks duck" for a tuned model, "duck" for the base model.
        seed: the run's seed.
        prompts: drawn from noise, `seeds_per_prompt` pictures each, or `class_images` of a class prompt.
        adapter: what was tuned; None = the base model itself.
        inversions: pictures whose refined z_T is started from instead, one picture each; the caption becomes
            the prompt, with the subject in the place of what it names.
        on_bad_item: whether a picture that cannot be drawn ends the stage.

    Raises:
        ValueError: when there are both prompts and inversions, or neither.
    """

    base: BaseSource
    precision: str
    subject: SubjectConfig
    seed: int
    prompts: tuple[PromptRow, ...] = ()
    adapter: AdapterRef | None = None
    inversions: InversionsRef | None = None
    on_bad_item: OnBadItem = "stop"

    def __post_init__(self) -> None:
        if bool(self.prompts) == (self.inversions is not None):
            raise ValueError("give prompts to draw from noise, or inversions to draw from, and not both")


def recipe(config: SampleConfig, inputs: SampleInputs) -> Recipe[SampleSetRef]:
    """Return the recipe of the sample set."""
    optional = (("adapter", inputs.adapter), ("inversions", inputs.inversions))
    digests = [("base", inputs.base.digest()), *((name, ref.digest) for name, ref in optional if ref)]
    return Recipe(STAGE, REVISION, _settings(config, inputs), tuple(digests), SampleSetRef)


def sample(config: SampleConfig, inputs: SampleInputs, context: StageContext) -> Obtained[SampleSetRef]:
    """Draw a sample set: `samples.parquet`, one row a picture.

    The base and the tuned model start a prompt's picture of one seed from the same noise. A picture that
    cannot be drawn has a row with its status and no image, where bad items are skipped.

    Raises:
        ConfigError: when inverted latents end at another noise level than the one sampling starts from.
        InputError: when a prompt is too long for the model, and bad items are not skipped.
        ModelError: when the model cannot be used.
        NumericsError: when latents stop being finite, and bad items are not skipped, or none is sound; it
            names the pictures.
        StopError: after a batch, when the process was asked to stop.
    """
    settings, recipe_ = _settings(config, inputs), recipe(config, inputs)

    def build(folder: Path) -> BuildFacts:
        from moongate.sampling.sample_sets import write_samples

        role = "tuned" if inputs.adapter else "base"
        with _prepared(config, inputs, context) as (planned, studio):
            write_samples(folder, role, planned, settings, studio, context.progress)
            require_some(len(planned), _bad_items(folder), STAGE)
            return BuildFacts(len(planned), studio.counter.evaluations, str(studio.model.device))

    obtained = context.store.obtain(recipe_, build)
    return accounted(obtained, _bad_items(context.store.folder(obtained.ref)), inputs.on_bad_item, STAGE)


def _bad_items(folder: Path) -> tuple[BadItem, ...]:
    return read_bad_items(folder / SAMPLES_NAME, "sample_id")


def num_items(config: SampleConfig, inputs: SampleInputs, store: Store) -> int:
    """Return the number of pictures in the sample set; what it starts from has to be in the store."""
    if inputs.inversions is not None:
        return len(InversionSet(store.folder(inputs.inversions)).card.pictures)
    return sum(requested.pictures for requested in _settings(config, inputs).prompts)


def do_shard(config: SampleConfig, inputs: SampleInputs, shard: Shard, context: StageContext) -> ShardDone:
    """Draw the pictures of a shard, for `sample` to find them finished.

    Raises:
        MoongateError, StopError: as `sample` does.
    """

    def compute() -> ShardDone:
        from moongate.sampling.sample_sets import PURPOSE, orders_of

        with _prepared(config, inputs, context) as (planned, studio):
            batches = studio.draw_shard(orders_of(planned), shard, context.progress, PURPOSE)
            return ShardDone(batches, studio.counter.evaluations, str(studio.model.device))

    return context.store.share(recipe(config, inputs), shard, compute)


@contextmanager
def _prepared(
    config: SampleConfig, inputs: SampleInputs, context: StageContext
) -> "Iterator[tuple[tuple[PlannedPicture, ...], Studio]]":
    """Yield the pictures to draw, and what draws them, on a leased device."""
    from moongate.models.stage_model import leased_model
    from moongate.sampling.sample_sets import plan, sample_studio

    store, settings = context.store, _settings(config, inputs)
    adapter = store.folder(inputs.adapter) if inputs.adapter else None
    inversions = store.folder(inputs.inversions) if inputs.inversions else None
    recipe_ = recipe(config, inputs)
    pictures = num_items(config, inputs, store) * Footprint.of(inputs.base).picture
    context.require_room(recipe_, artifact=pictures, batches=pictures)
    with leased_model(
        inputs.base, precision=inputs.precision, device=context.device, adapter=adapter
    ) as model:
        planned, starts = plan(model, settings, inversions)
        finished = context.finished_batches(recipe_, model.device)
        studio = sample_studio(model, settings, config.batch_size, starts, finished, inputs.on_bad_item)
        yield planned, studio


def _settings(config: SampleConfig, inputs: SampleInputs) -> SampleSettings:
    phrase = (identifier_phrase if inputs.adapter else class_phrase)(inputs.subject)
    class_noun = inputs.subject.class_noun
    return SampleSettings(
        precision=inputs.precision,
        seed=inputs.seed,
        prompts=tuple(_requested(row, phrase, class_noun, config) for row in inputs.prompts),
        subject=phrase if inputs.inversions else None,
        class_noun=class_noun if inputs.inversions else None,
        **config.model_dump(exclude=_NOT_FOR_THE_ADDRESS),
    )


def _requested(row: PromptRow, phrase: str, class_noun: str, config: SampleConfig) -> RequestedPrompt:
    pictures = config.class_images if row.kind == CLASS else config.seeds_per_prompt
    return RequestedPrompt(replace(row, object=row.object or class_noun), row.text(phrase), pictures)
