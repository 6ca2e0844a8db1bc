import fcntl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moongate import watchdog
from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.store import BuildFacts, Obtained
from moongate.config import RunConfig
from moongate.errors import InputError
from moongate.runs import RunRecord, going_on, list_runs, load_run, new_run_id, run_folder

MORNING = datetime(2026, 11, 21, 8, 15, 0, tzinfo=UTC)


def record_of(name: str) -> RunRecord:
    return RunRecord(run_id=name, started_utc=MORNING.isoformat(), config=RunConfig())


def obtained(digest_digit: str, *, cached: bool, unet_evals: int) -> Obtained[AdapterRef]:
    facts = BuildFacts(items=3, unet_evals=unet_evals, device="cpu")
    return Obtained(AdapterRef(digest_digit * 64), cached, 1.5, facts, 1000)


def test_a_run_id_names_the_start_in_utc_the_subject_and_a_token() -> None:
    assert new_run_id(MORNING, "bolt_duck", "1a2b3c4d") == "r20261121-081500-bolt_duck-1a2b"


def test_a_run_that_ends_well_is_completed_and_read_back_whole(tmp_path: Path) -> None:
    with going_on(tmp_path, record_of("r20261121-081500-duck-0001")) as run:
        run.add("train", "tuned", obtained("a", cached=False, unet_evals=40))
        run.add("train", "again", obtained("a", cached=True, unet_evals=0))
    loaded = load_run(tmp_path, "r20261121-081500-duck-0001")
    assert loaded == run.record
    assert loaded.status == "completed"
    assert loaded.unet_evals == 40
    assert [(entry.role, entry.cached) for entry in loaded.stages] == [("tuned", False), ("again", True)]


def test_a_run_that_fails_keeps_its_stages_and_its_error(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="out of luck"),
        going_on(tmp_path, record_of("r20261121-081500-duck-0001")) as run,
    ):
        run.add("train", "tuned", obtained("a", cached=False, unet_evals=40))
        raise RuntimeError("out of luck")
    loaded = load_run(tmp_path, "last")
    assert loaded.status == "failed"
    assert loaded.error == "RuntimeError: out of luck"
    assert len(loaded.stages) == 1


def test_a_full_disk_does_not_hide_what_ended_a_run(
    small_disk: Callable[[int], Path], caplog: pytest.LogCaptureFixture
) -> None:
    disk = small_disk(2**20)
    with (
        pytest.raises(RuntimeError, match="out of luck"),
        going_on(disk, record_of("r20261121-081500-duck-0001")),
    ):
        with pytest.raises(OSError, match="No space left"), (disk / "x").open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(4096))
        raise RuntimeError("out of luck")
    assert "could not be noted: the disk is full" in caplog.text
    assert load_run(disk, "last").status == "interrupted"


def test_a_run_is_running_while_its_process_holds_the_lock_and_interrupted_after(tmp_path: Path) -> None:
    name = "r20261121-081500-duck-0001"
    with going_on(tmp_path, record_of(name)):
        assert load_run(tmp_path, name).status == "running"
        left_behind = (run_folder(tmp_path, name) / "run.json").read_bytes()
    (run_folder(tmp_path, name) / "run.json").write_bytes(left_behind)
    assert load_run(tmp_path, name).status == "interrupted"


def test_what_the_watchdog_said_of_an_earlier_attempt_does_not_explain_how_a_later_one_was_killed(
    tmp_path: Path,
) -> None:
    record = record_of("r20261121-081500-duck-0001")
    folder = run_folder(tmp_path, record.run_id)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(record.model_dump_json())
    report = watchdog.sentence("train tuned", 60) + "\nthe stack of every thread\n"
    (folder / watchdog.REPORT_NAME).write_text(report)
    assert str(load_run(tmp_path, "last").error).startswith("The watchdog ended train tuned")
    with going_on(tmp_path, record.model_copy(update={"attempt": 2})):
        left_behind = (folder / "run.json").read_bytes()
    (folder / "run.json").write_bytes(left_behind)
    killed = load_run(tmp_path, "last")
    assert (killed.status, killed.attempt, killed.error) == ("interrupted", 2, None)


def test_a_further_attempt_says_that_it_waits_for_the_earlier_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = record_of("r20261121-081500-duck-0001")
    folder = run_folder(tmp_path, record.run_id)
    folder.mkdir(parents=True)
    said = "Waiting: an earlier attempt at run r20261121-081500-duck-0001 is still at work."
    with (folder / "run.lock").open("a") as earlier:
        fcntl.flock(earlier, fcntl.LOCK_EX)
        threading.Timer(0.2, fcntl.flock, (earlier, fcntl.LOCK_UN)).start()
        with going_on(tmp_path, record):
            assert said in caplog.messages
    caplog.clear()
    with going_on(tmp_path, record):
        assert said not in caplog.messages


def test_a_further_attempt_keeps_the_entries_of_the_earlier_one(tmp_path: Path) -> None:
    first = record_of("r20261121-081500-duck-0001")
    with pytest.raises(KeyboardInterrupt), going_on(tmp_path, first) as run:
        run.add("train", "tuned", obtained("a", cached=False, unet_evals=40))
        raise KeyboardInterrupt
    with going_on(tmp_path, first.model_copy(update={"attempt": 2})) as run:
        run.add("train", "tuned", obtained("a", cached=True, unet_evals=0))
    assert [entry.attempt for entry in run.record.stages] == [1, 2]
    assert [entry.attempt for entry in run.record.current()] == [2]


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    names = ["r20261121-081500-duck-0001", "r20261122-081500-duck-0002", "r20261121-081501-cat-0003"]
    for name in names:
        with going_on(tmp_path, record_of(name)):
            pass
    assert [record.run_id for record in list_runs(tmp_path)] == [names[1], names[2], names[0]]


def test_a_part_of_an_id_is_enough_when_only_one_run_fits(tmp_path: Path) -> None:
    for name in ("r20261121-081500-duck-0001", "r20261122-081500-cat-0002"):
        with going_on(tmp_path, record_of(name)):
            pass
    assert load_run(tmp_path, "duck").run_id == "r20261121-081500-duck-0001"
    assert load_run(tmp_path, "last").run_id == "r20261122-081500-cat-0002"
    with pytest.raises(InputError, match="2 runs fit"):
        load_run(tmp_path, "r202611")


def test_an_unknown_run_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    with going_on(tmp_path, record_of("r20261121-081500-duck-0001")):
        pass
    with pytest.raises(InputError, match="come near: r20261121-081500-duck-0001"):
        load_run(tmp_path, "r20261121-081500-dock-0001")
    with pytest.raises(InputError, match="no runs yet"):
        load_run(tmp_path / "elsewhere", "last")
