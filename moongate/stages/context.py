"""What every stage is run with, beside its configuration and inputs."""

from dataclasses import dataclass, field
from typing import Any

from moongate.artifacts.batches import FinishedBatches
from moongate.artifacts.recipe import Recipe
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

    def finished_batches(self, recipe: Recipe[Any], device: object) -> FinishedBatches:
        """Return the finished batches of `recipe`: of its shards, or of a build that was interrupted.

        Args:
            recipe: what is built.
            device: what this build computes on.
        """
        from moongate.models.devices import arithmetic_of

        return FinishedBatches(self.store.scratch(recipe) / "batches", arithmetic_of(str(device)))
