"""What every stage is run with, beside its configuration and inputs."""

from dataclasses import dataclass, field
from typing import Any

from moongate.artifacts.batches import FinishedBatches
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.room import bytes_in
from moongate.artifacts.store import Store
from moongate.progress import Progress, Silent


@dataclass(frozen=True)
class StageContext:
    """Where results are kept, how progress is shown, and which device computes. None of it changes a result.

    Attributes:
        store: where artifacts are looked up and published.
        progress: receives the progress of long stages.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
    """

    store: Store
    progress: Progress = field(default_factory=Silent)
    device: str = "auto"

    def require_room(self, recipe: Recipe[Any], *, artifact: int, batches: int) -> None:
        """Do nothing when there is room for an artifact and for its finished batches, which lie beside it.

        What its scratch folder holds already counts as batches that need not be written. In the rare case
        that these are another device's or damaged, and are not taken up, the rest is no upper bound.

        Args:
            recipe: what is built; the caller is building it, or holds the lock of a shard.
            artifact: the most bytes that its files take.
            batches: the most bytes that all of its finished batches take, until it is published.

        Raises:
            StoreError: when there is not; it says how much is needed and how much is free.
        """
        to_come = max(0, batches - bytes_in(self.store.scratch(recipe)))
        self.store.require_room(artifact + to_come, recipe.stage)

    def finished_batches(self, recipe: Recipe[Any], device: object) -> FinishedBatches:
        """Return the finished batches of `recipe`: of its shards, or of a build that was interrupted.

        Args:
            recipe: what is built.
            device: what this build computes on.
        """
        from moongate.models.devices import arithmetic_of

        return FinishedBatches(self.store.scratch(recipe) / "batches", arithmetic_of(str(device)))
