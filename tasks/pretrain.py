"""Task: train the bundled models."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from moongate.artifacts.store import Store
from moongate.models.leases import leased_device
from moongate.toybox.pretraining.config import PretrainConfig
from tasks.labels import label_with_stage
from tasks.progress import current_progress


@task(name="pretrain", cache_policy=NO_CACHE, persist_result=False)
def pretrain(config: PretrainConfig, output: Path) -> Path:
    """Train, or go on training, and return `output`. Checkpoints stay in the store until then."""
    label_with_stage()
    from moongate.toybox.pretraining.pretrain import pretrain as pretrain_toybox

    work = Store.from_environment().root / "pretraining"
    with leased_device(config.device) as device:
        return pretrain_toybox(config.model_copy(update={"device": device}), output, work, current_progress())
