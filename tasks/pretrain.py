"""Task: train the bundled models."""

from pathlib import Path

from prefect import task

from moongate.artifacts.store import Store
from moongate.models.leases import leased_device
from moongate.toybox.pretraining.config import PretrainConfig
from tasks.labels import label_with_stage
from tasks.policies import STAGE_POLICY, on_behalf

FOLDER = "pretraining"


@task(name="pretrain", task_run_name="pretrain", **STAGE_POLICY)
def pretrain(config: PretrainConfig, output: Path) -> Path:
    """Train, or go on training, and return `output`. Checkpoints stay in the store until then."""
    label_with_stage()
    folder, whose = Store.from_environment().root / FOLDER, f"to write {output}"
    with on_behalf(whose, folder) as (progress, _tenant), leased_device(config.device) as device:
        from moongate.toybox.pretraining.pretrain import pretrain as pretrain_toybox

        return pretrain_toybox(config.model_copy(update={"device": device}), output, folder, progress)
