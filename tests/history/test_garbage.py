import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from moongate.artifacts.refs import AdapterRef, MetricsRef
from moongate.artifacts.store import Store
from moongate.errors import StoreError
from moongate.history.garbage import Garbage, Policy, find_garbage, remove
from moongate.runs import list_runs, run_folder
from tests.past_runs import past_run, run_id

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(); sys.stdin.read()"
KILLED_AT_ITS_SECOND_RENAME = """
import os, signal, sys
from pathlib import Path
from moongate.artifacts.store import Store
from moongate.history.garbage import Policy, find_garbage, remove

renames = []

def hook(event, _):
    if event == "os.rename":
        renames.append(event)
        if len(renames) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
store = Store(Path(sys.argv[1]))
remove(store, find_garbage(store, Policy(keep_runs=0))[0])
"""
AT_ONCE = timedelta(0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def age(root: Path, days: float) -> None:
    """Make everything under `root` look as if nobody had touched it for so long."""
    then = time.time() - days * 86400
    for path in (root, *root.rglob("*")):
        os.utime(path, (then, then))


@contextmanager
def held_by_another_process(lock: Path) -> Iterator[subprocess.Popen[str]]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def states(found: Sequence[Garbage]) -> dict[tuple[str, str], str]:
    return {(item.kind, item.name): item.state for item in found}


def test_what_the_runs_need_is_no_garbage_however_old(store: Store) -> None:
    past_run(store, 1)
    past_run(store, 2, steps=200)
    age(store.root, days=100)
    assert find_garbage(store, Policy()) == ()


def test_what_only_a_removed_run_needed_is_found_with_its_size_and_removed(store: Store) -> None:
    kept, unwanted = past_run(store, 1), past_run(store, 2, steps=200)
    (run_folder(store.root, unwanted.run_id) / "run.json").unlink()
    age(store.root, days=2)
    found = find_garbage(store, Policy())
    digests = {entry.digest for entry in unwanted.stages if entry.digest}
    assert {item.paths[0].name for item in found} == digests
    assert all(item.bytes > len(b"weights") and item.state == "removable" for item in found)
    assert [remove(store, item).state for item in found] == ["removed", "removed"]
    assert find_garbage(store, Policy()) == ()
    assert {path.name for path in (store.root / "artifacts").glob("*/*")} == {
        entry.digest for entry in kept.stages if entry.digest
    }


def test_listing_removes_nothing(store: Store) -> None:
    past_run(store, 1)
    age(store.root, days=2)
    before = sorted(store.root.rglob("*"))
    assert states(find_garbage(store, Policy(keep_runs=0)))
    assert sorted(path for path in store.root.rglob("*") if path.parent.name != "locks") == [
        path for path in before if path.parent.name != "locks"
    ]


def test_runs_beyond_the_newest_are_dropped_and_take_their_tables_along(store: Store) -> None:
    old, new = past_run(store, 1, steps=100), past_run(store, 2, steps=200)
    tables = [store.root / "tables" / "metrics" / f"{run.run_id}.evaluate.0.parquet" for run in (old, new)]
    tables[0].parent.mkdir(parents=True)
    for table in tables:
        table.write_bytes(b"rows")
    age(store.root, days=2)
    found = find_garbage(store, Policy(keep_runs=1))
    assert [item.kind for item in found] == ["run", "artifact", "artifact"]
    assert {remove(store, item).state for item in found} == {"removed"}
    assert [run.run_id for run in list_runs(store.root)] == [run_id(2)]
    assert [table.exists() for table in tables] == [False, True]
    assert store.folder(AdapterRef(new.stages[0].digest)).exists()


def test_a_removal_that_is_killed_half_way_is_taken_up_again_and_orphans_no_table(store: Store) -> None:
    run = past_run(store, 1)
    tables = [store.root / "tables" / name / f"{run.run_id}.run.0.parquet" for name in ("runs", "stages")]
    for table in tables:
        table.parent.mkdir(parents=True)
        table.write_bytes(b"rows")
    age(store.root, days=2)
    command = [sys.executable, "-c", KILLED_AT_ITS_SECOND_RENAME, str(store.root)]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(table.exists() for table in tables) == [False, True]
    again = [item for item in find_garbage(store, Policy(keep_runs=0)) if item.kind == "run"]
    assert [remove(store, item).state for item in again] == ["removed"]
    assert not any(table.exists() for table in tables)
    for item in find_garbage(store, Policy()):
        remove(store, item)
    assert not [path for path in (store.root / "tables").rglob("*") if path.is_file()]


def test_what_a_killed_writer_left_of_a_campaign_is_removed(store: Store) -> None:
    half = store.root / "campaigns" / "batch-20261121-100000-0002" / ".campaign.json.0123.tmp"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"{")
    age(store.root, days=2)
    assert [remove(store, item).state for item in find_garbage(store, Policy())] == ["removed"]
    assert list(half.parent.iterdir()) == []


def test_what_is_newer_than_the_grace_period_stays(store: Store) -> None:
    past_run(store, 1)
    assert set(states(find_garbage(store, Policy(keep_runs=0))).values()) == {"too new"}


def test_a_run_that_is_too_new_to_be_dropped_still_needs_its_artifacts(store: Store) -> None:
    run = past_run(store, 1)
    age(store.root / "artifacts", days=2)
    found = find_garbage(store, Policy(keep_runs=0))
    assert states(found) == {("run", run.run_id): "too new"}


def test_an_artifact_that_a_run_asked_for_in_between_is_not_removed(store: Store) -> None:
    unwanted = past_run(store, 1)
    (run_folder(store.root, unwanted.run_id) / "run.json").unlink()
    age(store.root, days=2)
    adapter, figures = sorted(find_garbage(store, Policy()), key=lambda item: item.name, reverse=True)
    again = past_run(store, 2)
    assert [entry.cached for entry in again.stages[:2]] == [True, True]
    assert [remove(store, item).state for item in (adapter, figures)] == ["too new", "too new"]
    assert store.folder(MetricsRef(again.stages[1].digest)).exists()


def test_a_run_that_is_going_on_is_not_dropped(store: Store) -> None:
    run = past_run(store, 1)
    age(store.root, days=2)
    with held_by_another_process(run_folder(store.root, run.run_id) / "run.lock"):
        assert states(find_garbage(store, Policy(keep_runs=0))) == {("run", run.run_id): "in use"}


def test_work_in_progress_stays_and_goes_once_its_process_is_dead(store: Store) -> None:
    digest = "ab" * 32
    building = store.root / "artifacts" / "train" / f".building-{digest[:16]}-0123abcd"
    scratch = store.root / "scratch" / "train" / digest
    for folder in (building, scratch):
        folder.mkdir(parents=True)
        (folder / "half.bin").write_bytes(b"half")
    with held_by_another_process(store.root / "locks" / f"train-{digest}.lock"):
        age(store.root, days=30)
        found = find_garbage(store, Policy())
        assert set(states(found).values()) == {"in use"}
        assert {remove(store, item).state for item in found} == {"in use"}
        assert building.exists()
        assert scratch.exists()
    found = find_garbage(store, Policy())
    assert [(item.kind, item.bytes) for item in found] == [("unfinished work", 4), ("checkpoints", 4)]
    assert {remove(store, item).state for item in found} == {"removed"}
    assert not building.exists()
    assert not scratch.exists()


def test_checkpoints_of_an_unfinished_training_are_kept_seven_times_as_long(store: Store) -> None:
    scratch = store.root / "scratch" / "train" / ("ab" * 32)
    (scratch / "checkpoints" / "step-000100").mkdir(parents=True)
    age(store.root, days=6)
    assert set(states(find_garbage(store, Policy())).values()) == {"too new"}
    age(store.root, days=8)
    assert set(states(find_garbage(store, Policy())).values()) == {"removable"}


def test_damaged_artifacts_and_what_killed_writers_leave_is_found(store: Store) -> None:
    run = past_run(store, 1)
    adapter = store.folder(AdapterRef(run.stages[0].digest))
    (adapter / "weights.bin").write_bytes(b"wEights")
    past_run(store, 2)
    (run_folder(store.root, run.run_id) / ".report.html.0123.tmp").write_bytes(b"half")
    (store.root / "artifacts" / "train" / ".removing-0123").mkdir()
    kinds = [item.kind for item in find_garbage(store, Policy(grace=AT_ONCE))]
    assert sorted(kinds) == ["damaged artifact", "unfinished work", "unfinished work"]


def test_nothing_is_called_garbage_while_a_runs_record_cannot_be_read(store: Store) -> None:
    run = past_run(store, 1)
    (run_folder(store.root, run.run_id) / "run.json").write_text("{")
    with pytest.raises(StoreError, match=f"the record of run {run.run_id} cannot be read"):
        find_garbage(store, Policy(grace=AT_ONCE))
