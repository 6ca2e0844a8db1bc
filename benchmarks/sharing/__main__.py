"""Let 2 and 4 processes ask one store for the same artifacts at once, and write what each of them got.

python -m benchmarks.sharing    writes docs/figures/sharing.parquet

It ends with status 1 when an artifact was built more than once, or a process read less than all of it.
"""

import logging
import sys
import tempfile
from pathlib import Path

import pyarrow as pa

from benchmarks.launching import FIGURES_FOLDER, Output, launch
from benchmarks.sharing.process import PICTURES, Answer, share, write_folders
from flows.terminal import Terminal, console
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import write_table
from moongate.progress import Progress

_COUNTS = ("processes", "trial", "artifacts", "built", "reads", "whole_reads")
SHARING = Table(
    "sharing",
    1,
    "number of processes x trial",
    pa.schema([pa.field(name, pa.int64(), nullable=False) for name in _COUNTS]),
)
PROCESSES = (2, 4)
TRIALS = 3
FOLDERS = 3


def main(output: Output = FIGURES_FOLDER) -> None:
    """Let 2 and 4 processes ask one store for the same artifacts at once, and write what each of them got."""
    terminal = Terminal(console())
    with tempfile.TemporaryDirectory() as scratch, terminal.live(logging.ERROR):
        found = rows(Path(scratch), terminal)
    write_table(output / "sharing.parquet", found, SHARING)
    if wrong := [
        row for row in found if row["built"] != row["artifacts"] or row["whole_reads"] != row["reads"]
    ]:
        sys.exit(f"{len(wrong)} of {len(found)} trials are not as they must be: {wrong[0]}")


def rows(scratch: Path, progress: Progress) -> list[dict[str, int]]:
    """Return one row of `SHARING` a trial, each in a store of its own."""
    folders, found = write_folders(scratch, FOLDERS), list[dict[str, int]]()
    with progress.track("trials", len(PROCESSES) * TRIALS) as advance:
        for processes in PROCESSES:
            for trial in range(TRIALS):
                name = f"{processes}-{trial}"
                told = share(scratch / f"store-{name}", folders, processes, scratch / f"start-{name}")
                answers = [answer for of_process in told for answer in of_process]
                found.append({"processes": processes, "trial": trial, **_row(answers)})
                advance(1)
    return found


def _row(answers: list[Answer]) -> dict[str, int]:
    return {
        "artifacts": len({answer.digest for answer in answers}),
        "built": sum(answer.built for answer in answers),
        "reads": len(answers),
        "whole_reads": sum(answer.pictures == PICTURES for answer in answers),
    }


if __name__ == "__main__":
    launch(main)
