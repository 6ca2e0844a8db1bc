from benchmarks.campaigns import BROKEN, GRID, SUBJECTS, done_once
from moongate.campaign.grid import Axis, every_combination
from moongate.config import RunConfig
from moongate.runs import RunRecord, StageEntry


def entry(digest: str, *, cached: bool) -> StageEntry:
    return StageEntry(
        stage="train",
        role="tuned",
        attempt=1,
        kind="adapter",
        digest=digest,
        cached=cached,
        wall_s=1.0,
        items=1,
        unet_evals=1,
        device="cpu",
        peak_memory_bytes=1,
    )


def run(*entries: StageEntry) -> RunRecord:
    started = "2026-01-01T00:00:00+00:00"
    return RunRecord(run_id="r", started_utc=started, config=RunConfig(), stages=entries)


def test_what_is_wanted_twice_and_built_once_is_as_promised() -> None:
    runs = [run(entry("a", cached=False)), run(entry("a", cached=True), entry("b", cached=False))]
    assert done_once(runs, "train") == ("3 wanted, 2 of them different, 2 built", True)


def test_what_is_built_twice_and_what_is_not_built_at_all_are_not() -> None:
    twice = [run(entry("a", cached=False)), run(entry("a", cached=False))]
    assert not done_once(twice, "train")[1]
    assert not done_once([run(entry("a", cached=True))], "train")[1]


def test_the_sweep_has_nine_settings_and_the_broken_subject_a_name_of_its_own() -> None:
    assert len(every_combination([Axis.parse(one) for one in GRID])) == 9
    assert SUBJECTS.is_dir()
    assert not (SUBJECTS / BROKEN).exists()
