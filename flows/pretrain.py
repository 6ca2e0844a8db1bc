"""Rebuild the bundled base model and its judges from nothing."""

from pathlib import Path

from prefect import flow

from flows.readers import outliving_readers
from flows.stopping import heeding_stops
from moongate.overrides import with_overrides
from moongate.toybox.pretraining.config import PretrainConfig
from tasks import pretrain as tasks_pretrain


@flow(name="pretrain", persist_result=False)
def pretrain(
    config: PretrainConfig = PretrainConfig(),  # noqa: B008 - frozen, and the run form shows literal defaults only
    output: Path = Path("toybox-weights"),
    overrides: list[str] = [],  # noqa: B006
) -> Path:
    """Render the world, train each model on it, and write weights, figures and model card to `output`.

    Args:
        config: every setting.
        output: the folder for the finished weights.
        overrides: settings such as `denoiser.steps=20000`, laid over `config`.
    """
    with outliving_readers(), heeding_stops():
        return tasks_pretrain.pretrain(with_overrides(config, overrides), output)
