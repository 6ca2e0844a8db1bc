"""Write `docs/reliability.md` from the figures that the benchmarks left, or check that it is fresh.

python -m benchmarks.reliability_page            write it
python -m benchmarks.reliability_page --check    exit with status 1 when it is stale
"""

import sys
from pathlib import Path

from benchmarks.faults import section as faults
from benchmarks.hostile import section as hostile
from benchmarks.kills import section as kills
from benchmarks.launching import FIGURES_FOLDER
from benchmarks.sections import Section, text
from benchmarks.sharing import section as sharing
from benchmarks.staleness import section as staleness

PAGE = Path("docs/reliability.md")
HEADER = """# Reliability

What can go wrong, what is then said and lost, and how it goes on. The tables are written by
`python -m benchmarks.reliability_page` from `docs/figures/*.parquet`; do not edit. Everything in them was
really done: files written, processes killed, disks filled, bits flipped. `make verify` does all of it again,
and a part of it is in `make test`.

"""
BAD_ITEMS = """## Single items that cannot be computed

A picture whose latents stop being finite, a prompt that the model would cut, a picture without features: with
`on_bad_item="stop"`, the default, the first of them ends the run, and the message names it. With
`--set on_bad_item=skip` it gets a row in `samples`, `inversions` or `metrics` with its `status`, the reason
and no value, and the rest go on:

- The others keep their bytes, those of its own batch too. One exception: fixed-point refinement works on the
  pictures that have not converged yet, so beside a bad picture the refined latents of its batch may differ in
  their last bits. A prompt that is too long is in no batch.
- It is in no mean. Every figure says how many items it lacks (`summary.lost`), and so do the tables `stages`
  and `runs`, the closing table, the report, and the reason of the verdict. Where a figure lacks more than
  `gate.max_lost` of its items, a tenth by default, the verdict is unknown.
- Class pictures and evaluation pictures may be skipped in `prior` and `cache`. The subject's own never are:
  without one of a handful it would be another subject.
- When no item of a stage is sound, the stage stops all the same.

What is tolerated is no part of an artifact's address. A run that skips nothing does not take up an artifact
that lacks items; it says so and stops.

"""
TRUST = """## What is trusted, and what is not

- Weights are read from safetensors only. A folder or file with pickles is refused, with the command that
  converts it; code that comes with a model is never run; hub models and encoders are named by a commit of 40
  hex digits.
- Captions, file names, prompts and settings are text wherever they are shown: escaped in the report and in
  the Markdown of the Prefect UI, and no markup on the terminal.
- An error that is recorded with a run has the values of variables named like secrets (`*KEY*`, `*TOKEN*`,
  `*SECRET*`, `*PASSW*`, `*CREDENTIAL*`, `*CONNECTION_URL*` and the like) replaced by their names, and users
  taken out of URLs.
"""


INPUTS = Section(
    "hostile",
    "Hostile inputs",
    """A sound folder of pictures, one hostile thing done to it at a time, and what ingest says of it.
[What a folder of pictures may hold](inputs.md) has the rules and the bounds.""",
    hostile.section,
)
CACHES = Section(
    "staleness",
    "What a change builds again",
    """Each change is made to everything that a run reads, and the addresses of all stage instances are worked
out again. What has another address is built again; all else is found in the store.""",
    staleness.section,
)
SHARED = Section(
    "sharing",
    "Processes at once on one store",
    """The processes start at the same moment, ask for the same artifacts in the same order, and decode every
picture of what they get. Each artifact must be built once.""",
    sharing.section,
)
KILLS = Section(
    "kills",
    "Kills",
    """A tiny run is killed with SIGKILL at a seeded random moment of every stage instance, and started again
each time, in a store of its own. What is killed is the process of the chain itself, which does without
Prefect. At the end every file is compared with that of a run that nobody killed: weights, optimizer state,
samples, metrics, tables, report. A batch or checkpoint that was safe on disk must not be computed again. A
batch is the most that a kill loses; in training, the steps since the last checkpoint.""",
    kills.section,
)
FAULTS = Section(
    "faults",
    "Faults",
    """Numbers that are not finite, memory that runs out, disks that are full, too small or locked, signals,
bits that flip. What a training step skipped is a row of `train_steps` with `status` "skipped", the `fault`
and no loss; it is in no mean and on no curve, and the report names it. A smaller `micro_batch` shows there,
too. The room that a stage needs is an upper bound: pictures count as uncompressed, weights as float32,
finished batches beside the artifact that they are kept for until it is published, and training as the
checkpoints that are kept and the one that is being written.""",
    faults.section,
)


def page(folder: Path) -> str:
    """Return the page that the Parquet files in `folder` make."""
    return (
        HEADER + text((INPUTS, CACHES, SHARED, KILLS), folder) + BAD_ITEMS + text((FAULTS,), folder) + TRUST
    )


def main() -> None:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(FIGURES_FOLDER), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page(FIGURES_FOLDER):
        sys.exit(f"{PAGE} is stale: python -m benchmarks.reliability_page")


if __name__ == "__main__":
    main()
