"""Rebuild the bundled base model and its judges from nothing."""

from pathlib import Path

from prefect import flow

from flows.stopping import heeding_stops
from moongate.toybox.pretraining.config import PretrainConfig
from tasks import pretrain as tasks_pretrain


@flow(name="pretrain", persist_result=False)
def pretrain(config: PretrainConfig = PretrainConfig(), output: Path = Path("toybox-weights")) -> Path:  # noqa: B008 - frozen; a literal default shows in the run form
    """Render the world, train each model on it, and write weights, figures and model card.

    Args:
        config: what decides the weights.
        output: the folder that the finished weights go to.
    """
    with heeding_stops():
        return tasks_pretrain.pretrain(config, output)
