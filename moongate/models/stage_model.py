"""The model that a stage computes with, on a device that is held for it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from moongate.memory import SMALLER_BATCH, out_of_memory_explained
from moongate.models.adapters import apply_adapter
from moongate.models.base import DiffusionModel, load_model
from moongate.models.host_memory import freed_memory_kept
from moongate.models.leases import leased_device
from moongate.models.source import BaseSource


@contextmanager
def leased_model(
    base: BaseSource,
    *,
    precision: str,
    device: str,
    adapter: Path | None = None,
    when_memory_runs_out: str = SMALLER_BATCH,
) -> Iterator[DiffusionModel]:
    """Yield a base model, with an adapter's changes where one is given, while a device is leased for it.

    Args:
        base: the base model.
        precision: arithmetic inside the UNet: "float32", "bfloat16" or "float16".
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        adapter: folder of an adapter, or None for the base model itself.
        when_memory_runs_out: what a person is told to do then.

    Raises:
        ModelError: when the model or the adapter cannot be used.
        ConfigError: when the device or the precision is unknown.
        CapacityError: when the memory runs out within the block.
    """
    with (
        leased_device(device) as leased,
        freed_memory_kept() if leased == "cpu" else nullcontext(),
        out_of_memory_explained(f"the stage's model on {leased}", when_memory_runs_out),
    ):
        model = load_model(base, leased, precision)
        if adapter is not None:
            apply_adapter(model, adapter)
        yield model
