"""What the stages of a chain are given: settings and inputs, made from a run's and from earlier artifacts."""

from dataclasses import dataclass
from pathlib import Path

from moongate.artifacts.refs import (
    AdapterRef,
    ImageSetRef,
    InversionsRef,
    LatentSetRef,
    MetricsRef,
    SampleSetRef,
)
from moongate.config import (
    CacheConfig,
    EvaluateConfig,
    IngestConfig,
    InvertConfig,
    PriorConfig,
    RunConfig,
    SampleConfig,
    TrainConfig,
)
from moongate.models.source import BaseSource
from moongate.prompts import PromptRow, class_prompt, prompts_file, read_prompts
from moongate.runs import RunRecord
from moongate.stages.cache import CacheInputs
from moongate.stages.evaluate import EvaluateInputs
from moongate.stages.ingest import IngestInputs
from moongate.stages.invert import InvertInputs
from moongate.stages.prior import PriorInputs
from moongate.stages.record import RecordInputs
from moongate.stages.sample import SampleInputs
from moongate.stages.train import TrainInputs


@dataclass(frozen=True)
class Ingredients:
    """Makes each stage's settings and inputs from the run's, the base model, and what earlier stages gave."""

    config: RunConfig
    base: BaseSource

    def subject_folder(self, path: str) -> tuple[IngestConfig, IngestInputs]:
        """For ingest: pictures of the subject."""
        return self.config.ingest, IngestInputs(Path(path), self.base, self.config.subject)

    def held_out_folder(self, path: str, trained_on: str | None) -> tuple[IngestConfig, IngestInputs]:
        """For ingest: pictures of the subject that must not be among those it is trained on."""
        apart = Path(trained_on) if trained_on else None
        return self.config.ingest, IngestInputs(Path(path), self.base, self.config.subject, apart)

    def captioned_folder(self, path: str) -> tuple[IngestConfig, IngestInputs]:
        """For ingest: pictures of anything, whose captions are the prompts that go with them."""
        return self.config.ingest, IngestInputs(Path(path), self.base)

    def plain_class(self) -> tuple[PriorConfig, PriorInputs]:
        """For prior: the class, without the subject."""
        config = self.config
        prompt = config.subject.class_text()
        inputs = PriorInputs(self.base, config.base.precision, prompt, config.seed, config.on_bad_item)
        return config.prior, inputs

    def of_subject(self, images: ImageSetRef) -> tuple[CacheConfig, CacheInputs]:
        """For cache: pictures of the subject under the training prompt."""
        return self.config.cache, CacheInputs(images, self.base, self.config.subject)

    def of_class(self, images: ImageSetRef) -> tuple[CacheConfig, CacheInputs]:
        """For cache: class pictures under the prompt that they were drawn with."""
        return self.captioned(images)

    def captioned(self, images: ImageSetRef) -> tuple[CacheConfig, CacheInputs]:
        """For cache: pictures under their own captions."""
        return self.config.cache, CacheInputs(images, self.base, on_bad_item=self.config.on_bad_item)

    def lesson(
        self, instance: LatentSetRef, prior: LatentSetRef | None, validation: LatentSetRef | None
    ) -> tuple[TrainConfig, TrainInputs]:
        """For train: what is learned, what must not be forgotten, and what is validated on."""
        config, subject = self.config, self.config.subject
        how = (self.base, config.base.precision, subject.identifier, subject.class_noun, config.seed)
        return config.train, TrainInputs(*how, instance, prior, validation)

    def inversion(
        self, images: ImageSetRef, latents: LatentSetRef, adapter: AdapterRef | None
    ) -> tuple[InvertConfig, InvertInputs]:
        """For invert: pictures, under the tuned model or, without an adapter, under the base model."""
        return self.config.invert, InvertInputs(
            self.base, self.config.base.precision, images, latents, adapter, self.config.on_bad_item
        )

    def prompts(self, adapter: AdapterRef | None) -> tuple[SampleConfig, SampleInputs]:
        """For sample: the prompt set, drawn by the tuned model or, without an adapter, by the base model."""
        prompts = read_prompts(prompts_file(self.config.sample.prompts, self.config.subject))
        return self.config.sample, self._drawn_by(adapter, prompts=prompts)

    def class_prompt(self, adapter: AdapterRef | None) -> tuple[SampleConfig, SampleInputs]:
        """For sample: the plain class, drawn likewise."""
        return self.config.sample, self._drawn_by(adapter, prompts=(class_prompt(self.config.subject),))

    def swap(self, inversions: InversionsRef, adapter: AdapterRef) -> tuple[SampleConfig, SampleInputs]:
        """For sample: latents inverted under the base model, drawn again by the tuned one.

        That is deterministic, takes as many steps as the inversion took, and is not guided, as the inversion
        was not: whatever differs from the original is the tuning's doing.
        """
        retraced = {"steps": self.config.invert.steps, "sampler": "ddim", "eta": 0.0, "guidance": 1.0}
        inputs = self._drawn_by(adapter, inversions=inversions)
        return self.config.sample.model_copy(update=retraced), inputs

    def _drawn_by(
        self,
        adapter: AdapterRef | None,
        prompts: tuple[PromptRow, ...] = (),
        inversions: InversionsRef | None = None,
    ) -> SampleInputs:
        config = self.config
        how = (self.base, config.base.precision, config.subject, config.seed)
        return SampleInputs(*how, prompts, adapter, inversions, config.on_bad_item)


@dataclass(frozen=True)
class Outcome:
    """The artifacts of a whole chain. What was skipped is None."""

    instance: ImageSetRef
    holdout: ImageSetRef | None
    evaluation: ImageSetRef
    adapter: AdapterRef
    base_inversions: InversionsRef
    tuned_inversions: InversionsRef
    base_samples: SampleSetRef
    tuned_samples: SampleSetRef
    swapped_samples: SampleSetRef
    base_class: SampleSetRef
    tuned_class: SampleSetRef

    def judged(self, config: RunConfig, base: BaseSource) -> tuple[EvaluateConfig, EvaluateInputs]:
        """For evaluate: all of it."""
        return config.evaluate, EvaluateInputs(
            base=base,
            class_noun=config.subject.class_noun,
            train=self.instance,
            tuned_samples=self.tuned_samples,
            base_samples=self.base_samples,
            holdout=self.holdout,
            tuned_class=self.tuned_class,
            base_class=self.base_class,
            tuned_inversions=self.tuned_inversions,
            base_inversions=self.base_inversions,
            seed=config.seed,
            on_bad_item=config.on_bad_item,
        )

    def recorded(self, run: RunRecord, base: BaseSource, metrics: MetricsRef) -> RecordInputs:
        """For record: all of it with its metrics."""
        return RecordInputs(
            run=run,
            base=base,
            instance=self.instance,
            adapter=self.adapter,
            holdout=self.holdout,
            evaluation=self.evaluation,
            inversions=(self.base_inversions, self.tuned_inversions),
            samples=(
                self.base_samples,
                self.tuned_samples,
                self.base_class,
                self.tuned_class,
                self.swapped_samples,
            ),
            metrics=metrics,
        )
