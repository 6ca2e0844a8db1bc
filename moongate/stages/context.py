"""What every stage is run with, beside its configuration and inputs."""

from dataclasses import dataclass, field

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
