"""How many device slots `moongate up` was told of, for every later command of the same store.

A command in a shell without MOONGATE_DEVICE_SLOTS would take the CPU for one that everybody shares, and
compute on it beside those who hold a slot.
"""

import os
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


def adopt_slots(store: Path) -> None:
    """Let this process declare what was written down, unless its environment declares something itself."""
    try:
        os.environ.setdefault(SLOTS_VARIABLE, _file(store).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return


def forget_slots(services: Path) -> None:
    """Take back what was written down in the folder of the services."""
    (services / _FILE).unlink(missing_ok=True)


def _file(store: Path) -> Path:
    return services_place(store).folder / _FILE
