"""How many device slots `moongate up` was told of, for every later command of the same store.

A command in a shell without MOONGATE_DEVICE_SLOTS would take the CPU for one that everybody shares, and
compute on it beside those who hold a slot.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.services.crew import services_place
from moongate.models.leases import SLOTS_VARIABLE

_FILE = "device.slots"


def remember_slots(store: Path) -> None:
    """Write down what this process's environment declares, where it declares anything."""
    if (declared := os.environ.get(SLOTS_VARIABLE)) is not None:
        file = _file(store)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(declared + "\n", encoding="utf-8")


@contextmanager
def adopted_slots(store: Path) -> Iterator[None]:
    """Declare what was written down to this process within, unless its environment declares something."""
    written = _file(store)
    if SLOTS_VARIABLE in os.environ or not written.exists():
        yield
        return
    os.environ[SLOTS_VARIABLE] = written.read_text(encoding="utf-8").strip()
    try:
        yield
    finally:
        os.environ.pop(SLOTS_VARIABLE, None)


def forget_slots(services: Path) -> None:
    """Take back what was written down in the folder of the services."""
    (services / _FILE).unlink(missing_ok=True)


def _file(store: Path) -> Path:
    return services_place(store).folder / _FILE
