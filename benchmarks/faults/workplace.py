"""A store of its own with the latents of a few bundled pictures."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from moongate.artifacts.refs import AdapterRef, LatentSetRef
from moongate.artifacts.store import Obtained, Store
from moongate.config import CacheConfig, IngestConfig, TrainConfig
from moongate.models.source import BaseSource, bundled_folder
from moongate.progress import Progress, Silent
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.context import StageContext
from moongate.stages.ingest import IngestInputs, ingest
from moongate.stages.train import TrainInputs, train
from moongate.subject import SubjectConfig

SUBJECT = SubjectConfig()
BASE = BaseSource(bundled_folder() / "base", "toybox")
SILENCE = Silent()
TRAINING = TrainConfig(
    steps=4, batch_size=2, prior_weight=0.0, warmup_steps=0, checkpoint_every=2, selection="last"
)


@dataclass(frozen=True)
class Workplace:
    """A store in a folder, with the bundled subject ingested and cached."""

    folder: Path

    @cached_property
    def context(self) -> StageContext:
        """Computes on the CPU, in silence."""
        return StageContext(Store(self.folder / "store"), device="cpu")

    def latents(self, progress: Progress = SILENCE) -> Obtained[LatentSetRef]:
        """Ingest and cache the subject's pictures."""
        pictures = ingest(IngestConfig(), IngestInputs(Path(SUBJECT.folder), BASE, SUBJECT), self.context).ref
        inputs = CacheInputs(pictures, BASE, SUBJECT)
        return cache(
            CacheConfig(shard_rows=2, batch_size=1), inputs, replace(self.context, progress=progress)
        )

    def train(
        self,
        latents: LatentSetRef | None = None,
        config: TrainConfig = TRAINING,
        progress: Progress = SILENCE,
    ) -> Obtained[AdapterRef]:
        """Train a few steps on the subject's latents, or on others."""
        instance = latents or self.latents().ref
        inputs = TrainInputs(BASE, "float32", SUBJECT.identifier, SUBJECT.class_noun, 0, instance, None, None)
        return train(config, inputs, replace(self.context, progress=progress))

    def debris(self) -> list[str]:
        """Return the hidden files and folders that unfinished work has left in the store."""
        return sorted(path.name for path in self.context.store.root.rglob(".*"))
