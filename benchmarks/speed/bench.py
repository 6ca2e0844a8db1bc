"""What every workload is given, and the material that it works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.performing import Direct
from benchmarks.speed.racing import Contender, Laps, race
from benchmarks.speed.rows import Row, Subject
from benchmarks.speed.sizes import Size
from flows.ingredients import Ingredients
from moongate.artifacts.refs import ImageSetRef, LatentSetRef
from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.models.source import BaseSource
from moongate.overrides import load_config
from moongate.progress import Progress, Silent
from moongate.stages.context import StageContext


@dataclass(frozen=True)
class Bench:
    """One model on one device, and how much is run.

    Attributes:
        base: the model.
        device: "cpu", "cuda" or "cuda:<n>".
        size: counts.
        scratch: a folder for whatever is made on the way.
        progress: told of every lap.
        peer_script: diffusers' own train_dreambooth.py, or None.
        settings: of runs that are made with the model, such as its evaluation pictures.
    """

    base: BaseSource
    device: str
    size: Size
    scratch: Path
    progress: Progress = field(default_factory=Silent)
    peer_script: Path | None = None
    settings: tuple[str, ...] = ()

    def subject(self, workload: str) -> Subject:
        """Return what all rows of a workload say."""
        return Subject(workload, self.base.name, self.device)

    @property
    def warm_ups(self) -> int:
        """Portions before the first lap of long work: on a GPU one, on a CPU the cost would be the larger."""
        return 1 if self.device.startswith("cuda") else 0

    @cached_property
    def material(self) -> Material:
        """Pictures of a subject and of other things, ingested and encoded by the ordinary stages."""
        return Material.prepared(self)

    def race(self, label: str, contenders: tuple[Contender, ...], rounds: int) -> dict[str, Laps]:
        """Let contenders take turns, with a bar; see `racing.race`."""
        with self.progress.track(label, rounds * len(contenders)) as advance:
            return race(contenders, rounds, advance)


# A part of the benchmark: rows as they are measured.
Workload = Callable[[Bench], Iterator[Row]]


@dataclass(frozen=True)
class Material:
    """Artifacts that workloads share.

    Attributes:
        store: where they are.
        config: the settings that they were made with.
        pictures: of the subject.
        evaluation: of other things, captioned; they also stand in for class pictures.
        latents: of `pictures`, under the subject's prompt.
        evaluation_latents: of `evaluation`, under their captions.
    """

    store: Store
    config: RunConfig
    pictures: ImageSetRef
    evaluation: ImageSetRef
    latents: LatentSetRef
    evaluation_latents: LatentSetRef

    @classmethod
    def prepared(cls, bench: Bench) -> Material:
        """Ingest and encode the bundled pictures with the bench's model."""
        from tasks.cache import cache
        from tasks.ingest import ingest

        store = Store(bench.scratch / "material")
        config = load_config(None, [f"base.model={bench.base.folder}", *bench.settings])
        perform = Direct(StageContext(store, bench.progress, bench.device))
        given = Ingredients(config, bench.base)
        pictures = perform(ingest, "train", *given.subject_folder(config.subject.folder))
        evaluation = perform(ingest, "evaluation", *given.captioned_folder(config.ingest.evaluation_folder))
        return cls(
            store,
            config,
            pictures,
            evaluation,
            perform(cache, "train", *given.of_subject(pictures)),
            perform(cache, "evaluation", *given.captioned(evaluation)),
        )

    def folder(self, ref: ImageSetRef | LatentSetRef) -> Path:
        """Return where one of the artifacts lies; contenders get folders, for they are other processes."""
        return self.store.folder(ref)
