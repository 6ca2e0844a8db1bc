"""A sweep over nine settings and a batch with a broken subject, by their commands, and what came of both.

python -m benchmarks.campaigns    writes docs/figures/campaigns.parquet

Both work in an empty store of their own, where whatever is found was made by one of their own runs. It ends
with status 1 when something is not as promised.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from benchmarks.launching import FIGURES_FOLDER, Output, Set, launch
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import write_table
from moongate.campaign.record import Campaign, list_campaigns
from moongate.errors import StoreError
from moongate.runs import RunRecord, load_run

CAMPAIGNS = Table(
    "campaigns",
    1,
    "promise",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("command", "promise", "seen")),
            pa.field("as_promised", pa.bool_(), nullable=False),
        ]
    ),
)
GRID = ("train.steps=100,200,400", "train.learning_rate=5e-5,1e-4,2e-4")
# One picture a prompt and few inversions: what is asked here is what is done twice, not how good it is.
LESS = ("sample.seeds_per_prompt=1", "invert.num_images=4", "sample.class_images=16")
BATCH_STEPS = "train.steps=100"
SUBJECTS = Path("datasets/subjects")
BROKEN = "broken_robot"
DEGRADED = 3


@dataclass(frozen=True)
class Seen:
    """A promise, and what was seen of it."""

    command: str
    promise: str
    seen: str
    as_promised: bool


def main(output: Output = FIGURES_FOLDER, set_: Set = None) -> None:
    """Sweep over nine settings, personalize on every subject and a broken one, and look at both."""
    settings = [word for change in (*LESS, *(set_ or ())) for word in ("--set", change)]
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "store"
        seen = [*swept(store, settings), *batched(store, [*settings, "--set", BATCH_STEPS])]
    write_table(output / "campaigns.parquet", [asdict(one) for one in seen], CAMPAIGNS, {})
    if broken := [one.promise for one in seen if not one.as_promised]:
        sys.exit(f"not as promised: {'; '.join(broken)}")


def swept(store: Path, settings: Sequence[str]) -> Iterator[Seen]:
    """Yield what a sweep of three learning rates and three lengths of training does once, and recommends."""
    command = ("sweep", *(word for one in GRID for word in ("--grid", one)))
    _perform(store, (*command, *settings), expected=0)
    campaign = list_campaigns(store)[0]
    told = f"moongate {' '.join(command)}"
    for stage in ("train", "cache", "prior", "sample"):
        seen, fine = done_once(_runs(store, campaign), stage)
        yield Seen(told, f"no `{stage}` is done twice", seen, fine)
    advice = campaign.recommendation
    chosen = f"{advice.outcome.name}: {advice.reason}" if advice else "nothing"
    yield Seen(told, "it recommends a good setting", chosen, campaign.taken is not None)
    said = advice.confirmation if advice else ""
    agrees = advice is not None and advice.second is not None and advice.second.good
    yield Seen(told, "a second seed confirms it", said or "nothing", agrees)


def batched(store: Path, settings: Sequence[str]) -> Iterator[Seen]:
    """Yield how a batch over the bundled subjects and a broken one ends."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "subjects"
        shutil.copytree(SUBJECTS, folder)
        shutil.copytree(SUBJECTS / "heart_robot", folder / BROKEN)
        victim = sorted((folder / BROKEN / "train").glob("*.png"))[0]
        victim.write_bytes(victim.read_bytes()[:200])
        _perform(store, ("batch", str(folder), *settings), expected=DEGRADED)
    campaign = list_campaigns(store)[0]
    told, count = "moongate batch", len(campaign.outcomes)
    failed = ", ".join(one.name for one in campaign.failed)
    state = f"Degraded: {campaign.summary}, exit status {DEGRADED}"
    yield Seen(told, "one broken subject makes it Degraded", state, failed == BROKEN)
    done = [one for one in campaign.outcomes if one.status == "completed" and one.verdict]
    seen = f"{len(done)} of {count - 1} completed with a verdict"
    yield Seen(told, "the other subjects are done", seen, len(done) == count - 1)
    said = "; ".join(one.error.splitlines()[0] for one in campaign.failed)
    yield Seen(told, "it says what is wrong with the broken one", said, bool(said))


def done_once(runs: Sequence[RunRecord], stage: str) -> tuple[str, bool]:
    """Tell how often artifacts of a stage were wanted and built, and whether each was built once."""
    entries = [entry for run in runs for entry in run.stages if entry.stage == stage]
    built = Counter(entry.digest for entry in entries if not entry.cached)
    different = len({entry.digest for entry in entries})
    seen = f"{len(entries)} wanted, {different} of them different, {built.total()} built"
    return seen, built.total() == different


def _runs(store: Path, campaign: Campaign) -> list[RunRecord]:
    """Return the runs of a sweep, and the one that was to confirm it."""
    advice = campaign.recommendation
    second = (advice.second,) if advice is not None and advice.second is not None else ()
    return [load_run(store, one.run_id) for one in (*campaign.outcomes, *second) if one.run_id]


def _perform(store: Path, arguments: Sequence[str], expected: int) -> None:
    """Run a command of the project to its end, its output on this terminal.

    Raises:
        StoreError: when it does not end with the expected status.
    """
    command = [sys.executable, "-m", "flows.cli", *arguments]
    done = subprocess.run(command, env=os.environ | {"MOONGATE_HOME": str(store)}, check=False)
    if done.returncode != expected:
        raise StoreError(
            f"moongate {arguments[0]} ended with status {done.returncode}",
            where=str(store),
            why=f"{expected} was expected",
            fix="read what it printed",
        )


if __name__ == "__main__":
    launch(main)
