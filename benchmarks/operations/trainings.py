"""What a store says of a training: when it computed, and from which step it went on."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from moongate.artifacts.schemas import STAGES

Span = tuple[datetime, datetime]


def computing(adapter: Path) -> Span:
    """Return when the steps of a training were made, which was never interrupted: first and last moment.

    The table of steps is written while the device is still held, and the steps come before it: whatever the
    leases say, all of this time was spent on the device.
    """
    path = adapter / "train_steps.parquet"
    end = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return end - timedelta(seconds=sum(seconds_of_steps(adapter))), end


def seconds_of_steps(adapter: Path) -> tuple[float, ...]:
    """Return how long each step of a finished training took, in their order."""
    rows = pq.read_table(adapter / "train_steps.parquet", columns=["step", "seconds"])
    return tuple(rows.sort_by("step")["seconds"].to_pylist())


def seconds_in_checkpoint(scratch: Path, since: float) -> tuple[float, ...]:
    """Return the same of the newest checkpoint that is younger than `since`, in seconds since 1970.

    It is empty when there is none.
    """
    states = {path.stat().st_mtime: path for path in scratch.rglob("step-*/state.json")}
    newest = max(states, default=0.0)
    if newest <= since:
        return ()
    steps = json.loads(states[newest].read_text(encoding="utf-8"))["history"]["steps"]
    return tuple(step["seconds"] for step in steps)


def first_new_step(seconds: Sequence[float], checkpoint: Sequence[float]) -> int:
    """Return the step that a training went on from: that of the checkpoint, or 0 when it began anew.

    No step takes exactly as long a second time, so the measured times tell.
    """
    return len(checkpoint) if tuple(seconds[: len(checkpoint)]) == tuple(checkpoint) else 0


def leases(store: Path) -> dict[str, str]:
    """Return which device each training held, by its digest, as the table `stages` says."""
    table = pq.read_table(store / "tables" / STAGES.name, columns=["stage", "digest", "cached", "leased"])
    return {
        row["digest"]: row["leased"]
        for row in table.to_pylist()
        if row["stage"] == "train" and not row["cached"] and row["leased"]
    }
