import json
import os
import time
from pathlib import Path

import pytest

from benchmarks.operations.trainings import (
    computing,
    first_new_step,
    leases,
    seconds_in_checkpoint,
    seconds_of_steps,
)
from moongate.artifacts.schemas import TRAIN_STEPS
from moongate.artifacts.tables import write_run_table, write_table

SECONDS = (1.25, 1.5, 1.75, 2.5)


def adapter_in(folder: Path) -> Path:
    rows = [
        {
            "step": step,
            "status": "done",
            "fault": "",
            "loss": 0.1,
            "instance_loss": 0.1,
            "prior_loss": None,
            "grad_norm": 1.0,
            "learning_rate": 1e-5,
            "micro_batch": 2,
            "seconds": seconds,
        }
        for step, seconds in enumerate(SECONDS)
    ]
    write_table(folder / "train_steps.parquet", rows[::-1], TRAIN_STEPS)
    return folder


def test_a_training_computed_for_as_long_as_its_steps_took_and_until_they_were_written(
    tmp_path: Path,
) -> None:
    adapter = adapter_in(tmp_path)
    os.utime(adapter / "train_steps.parquet", (1e9, 1e9))
    begun, ended = computing(adapter)
    assert (begun.timestamp(), ended.timestamp()) == (1e9 - sum(SECONDS), 1e9)


def checkpoint(folder: Path, step: int, at: float) -> None:
    state = folder / "a-digest" / "checkpoints" / f"step-{step:06d}" / "state.json"
    state.parent.mkdir(parents=True)
    steps = [{"step": number, "seconds": SECONDS[number]} for number in range(step)]
    state.write_text(json.dumps({"history": {"steps": steps}}))
    os.utime(state, (at, at))


def test_a_training_that_went_on_is_told_from_one_that_began_anew(tmp_path: Path) -> None:
    now = time.time()
    checkpoint(tmp_path / "scratch", 1, now - 2)
    checkpoint(tmp_path / "scratch", 2, now - 1)
    kept = seconds_in_checkpoint(tmp_path / "scratch", since=now - 5)
    assert kept == SECONDS[:2]
    assert first_new_step(seconds_of_steps(adapter_in(tmp_path)), kept) == 2
    assert first_new_step((1.31, 1.5, 1.75, 2.5), kept) == 0
    assert seconds_in_checkpoint(tmp_path / "scratch", since=now) == ()
    assert first_new_step(SECONDS, ()) == 0


@pytest.mark.parametrize(
    ("stage", "cached", "leased", "found"),
    [
        ("train", False, "slot-0@here", {"a-digest": "slot-0@here"}),
        ("train", True, "slot-0@here", {}),
        ("sample", False, "slot-0@here", {}),
        ("train", False, None, {}),
    ],
)
def test_the_table_of_stages_says_what_a_training_held(
    tmp_path: Path, stage: str, cached: bool, leased: str | None, found: dict[str, str]
) -> None:
    row = {
        "run_id": "r20260101-020000-duck-0b7c",
        "subject": "duck",
        "stage": stage,
        "role": "tuned",
        "attempt": 1,
        "digest": "a-digest",
        "cached": cached,
        "wall_s": 1.0,
        "items": 4,
        "unet_evals": 8,
        "peak_memory_bytes": 1,
        "device": "cpu",
        "lost": 0,
        "leased": leased,
    }
    write_run_table(tmp_path, "stages", [row], run_id=str(row["run_id"]), stage="run")
    assert leases(tmp_path) == found
