"""The command on a full disk and on one that can only be read: a message, status 1, and the way on."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.faults.limits import drain, flood, make_read_only
from moongate.runs import RunRecord

MEBIBYTE = 2**20


@pytest.fixture
def disk(small_disk: Callable[[int], Path], first: RunRecord, home: Path) -> Path:
    """A small disk with a copy of the store that the tiny run is in."""
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    mounted = small_disk(size * 2 + 64 * MEBIBYTE)
    shutil.copytree(home, mounted / "store")
    return mounted


def moongate(disk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        env=inherited | {"MOONGATE_HOME": str(disk / "store"), "HOME": str(disk.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_run_that_does_not_fit_says_so_and_the_same_command_goes_on_when_there_is_room(
    disk: Path, first: RunRecord
) -> None:
    command = ("rerun", first.run_id, "--stage", "record", "--set", "record.contact_sheet_columns=3")
    flood(disk, spared=MEBIBYTE // 2)
    stopped = moongate(disk, *command)
    assert stopped.returncode == 1
    assert "too little room on the disk for the records of a run" in stopped.stderr
    assert "nothing was begun" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    runs = json.loads(moongate(disk, "runs", "--json").stdout)
    assert first.run_id in [run["run_id"] for run in runs]
    drain(disk)
    again = moongate(disk, *command)
    assert again.returncode == 0, again.stderr
    assert Path(again.stderr.splitlines()[-1].removeprefix("report  ")).is_file()


def test_a_store_that_can_only_be_read_is_refused_and_can_be_read(disk: Path, first: RunRecord) -> None:
    make_read_only(disk)
    refused = moongate(disk, "rerun", first.run_id, "--stage", "record")
    assert refused.returncode == 1
    assert "the store cannot be written" in refused.stderr
    assert "Read-only file system" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert first.run_id in moongate(disk, "runs").stderr
    assert moongate(disk, "show", first.run_id).returncode == 0
