"""Rebuild the bundled base model and its judges from nothing."""

from pathlib import Path

from prefect import flow

from flows.readers import outliving_readers
from flows.stopping import heeding_stops
from flows.turns import turn
from moongate.artifacts.room import require_output
from moongate.artifacts.store import Store
from moongate.overrides import with_overrides
from moongate.toybox.pretraining.config import PretrainConfig
from tasks import pretrain as tasks_pretrain


@flow(name="pretrain", persist_result=False)
def pretrain(
    config: PretrainConfig = PretrainConfig(),  # noqa: B008 - frozen, and the run form shows literal defaults only
    output: Path | None = None,
    overrides: list[str] = [],  # noqa: B006
) -> Path:
    """Render the world, train each model on it, and write weights, figures and model card to a folder.

    Two of them would write the same checkpoints, so a second one in a store waits for the first.

    Args:
        config: every setting.
        output: the folder for the finished weights; none for `pretraining/weights` in the store.
        overrides: settings such as `denoiser.steps=20000`, laid over `config`.

    Raises:
        ConfigError: when an override is not valid.
        StoreError: when the store or the folder cannot be written.
    """
    store, settings = Store.from_environment(), with_overrides(config, overrides)
    store.require_writable()
    finished = output or store.root / tasks_pretrain.FOLDER / "weights"
    require_output(finished)
    with outliving_readers(), heeding_stops(), turn(store, "pretrain"):
        return tasks_pretrain.pretrain(settings, finished)
