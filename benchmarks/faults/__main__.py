"""Make every fault, and write what is said, what is lost, and how it goes on.

python -m benchmarks.faults    writes docs/figures/faults.parquet

It ends with status 1 when a fault did not end as it must, or could not be made on this machine.
"""

import logging
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from benchmarks.faults.bits import BITS
from benchmarks.faults.case import Case
from benchmarks.faults.commands import COMMANDS
from benchmarks.faults.disks import DISKS
from benchmarks.faults.limits import NotHereError
from benchmarks.faults.models import MODELS
from benchmarks.faults.numbers import MEMORY, NUMBERS
from benchmarks.faults.signals import SIGNALS
from benchmarks.launching import FIGURES_FOLDER, Output, launch, unmet
from flows.terminal import Terminal, console
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import write_table
from moongate.imagefolder.verdicts import printable
from moongate.progress import Progress

_COLUMNS = ("group", "fault", "message", "lost", "goes_on", "expected")
FAULTS = Table(
    "faults", 1, "fault", pa.schema([pa.field(name, pa.string(), nullable=False) for name in _COLUMNS])
)
GROUPS: Mapping[str, tuple[Case, ...]] = MappingProxyType(
    {
        "numbers": NUMBERS,
        "memory": MEMORY,
        "disks": DISKS,
        "the command on such disks": COMMANDS,
        "signals": SIGNALS,
        "flipped bits": BITS,
        "base models": MODELS,
    }
)


def main(output: Output = FIGURES_FOLDER) -> None:
    """Make every fault, and write what is said, what is lost, and how it goes on."""
    terminal = Terminal(console())
    # Warnings are what the faults are meant to cause: not shown here, nor by Prefect's own handler.
    logging.getLogger("moongate").propagate = False
    with tempfile.TemporaryDirectory() as scratch, terminal.live(logging.ERROR):
        found = rows(Path(scratch), terminal)
    write_table(output / "faults.parquet", found, FAULTS)
    if wrong := unmet(found, "fault"):
        sys.exit(wrong)


def rows(
    scratch: Path, progress: Progress, groups: Mapping[str, tuple[Case, ...]] = GROUPS
) -> list[dict[str, str]]:
    """Return one row of `FAULTS` a case, in order; `expected` is "not done" where this machine forbids it."""
    found: list[dict[str, str]] = []
    with progress.track("faults", sum(map(len, groups.values()))) as advance:
        for group, cases in groups.items():
            for case in cases:
                place = scratch / str(len(found))
                place.mkdir()
                row = {name: anywhere(text, place) for name, text in _row(case, place).items()}
                found.append({"group": group, "fault": case.title} | row)
                advance(1)
    return found


def anywhere(text: str, place: Path) -> str:
    """Return what was said as it would be on any machine: without the folder of the fault and of Python."""
    return printable(text.replace(str(place), "...").replace(sys.executable, "python"))


def _row(case: Case, place: Path) -> dict[str, str]:
    try:
        seen = case.observe(place)
    except NotHereError as reason:
        return {"message": str(reason), "lost": "", "goes_on": "", "expected": "not done"}
    except AssertionError as error:
        return {"message": str(error), "lost": "", "goes_on": "", "expected": "no"}
    met = "yes" if case.is_met_by(seen) else "no"
    return {"message": seen.message, "lost": seen.lost, "goes_on": seen.goes_on, "expected": met}


if __name__ == "__main__":
    launch(main)
