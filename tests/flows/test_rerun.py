"""One stage again: a child run that reuses what comes before it, and tells what it changed."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.personalize import personalize
from flows.plan import plan
from flows.rerun import rerun
from flows.terminal import lineage
from moongate.artifacts.digests import file_digest
from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.history.comparison import SettingChange, compare_runs
from moongate.history.reasons import explain
from moongate.overrides import with_overrides
from moongate.runs import VERBS, Origin, RunRecord, list_runs, load_run, run_folder

pytestmark = pytest.mark.usefixtures("prefect_server", "home")

CHANGES = ("sample.guidance_rescale=0.25",)


@dataclass(frozen=True)
class Parent:
    """What was there before the rerun: the bytes of the parent's files and of its artifacts."""

    files: dict[str, str]


@pytest.fixture(scope="module")
def parent(first: RunRecord, home: Path) -> Parent:
    return Parent(belongings(first, home))


@pytest.fixture(scope="module")
def child(parent: Parent, first: RunRecord) -> RunRecord:
    return rerun(first.run_id, "sample", list(CHANGES))


def belongings(run: RunRecord, home: Path) -> dict[str, str]:
    folders = [run_folder(home, run.run_id)]
    folders += [home / "artifacts" / entry.stage / entry.digest for entry in run.stages if entry.digest]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): file_digest(path) for path in files}


def test_the_stage_and_what_depends_on_it_are_built_and_everything_before_is_reused(
    child: RunRecord, first: RunRecord
) -> None:
    assert {entry.stage for entry in child.stages if not entry.cached} == {"sample", "evaluate", "record"}
    before = [entry for entry in first.stages if VERBS.index(entry.stage) < VERBS.index("sample")]
    assert [entry.digest for entry in child.stages[: len(before)]] == [entry.digest for entry in before]


def test_the_parent_is_untouched(child: RunRecord, parent: Parent, first: RunRecord, home: Path) -> None:
    assert belongings(first, home) == parent.files
    assert load_run(home, first.run_id) == first


def test_the_lineage_is_recorded_and_put_in_words(child: RunRecord, first: RunRecord, home: Path) -> None:
    stored = load_run(home, child.run_id)
    assert (stored.parent, stored.from_stage, stored.overrides) == (first.run_id, "sample", CHANGES)
    assert lineage(stored) == f"repeats {first.run_id} from sample on, with sample.guidance_rescale=0.25"


def test_why_and_diff_name_the_one_setting_that_was_changed(
    child: RunRecord, first: RunRecord, home: Path
) -> None:
    store = Store(home)
    built = [reason for reason in explain(store, child) if reason.outcome == "built"][:-1]
    assert {reason.stage for reason in built} == {"sample", "evaluate"}
    assert all("sample.guidance_rescale is 0.25, was 0.0" in reason.why for reason in built)
    compared = compare_runs(store, first, child)
    assert compared.settings == (SettingChange("sample.guidance_rescale", "0.0", "0.25"),)
    assert compared.inputs == ()
    assert len(compared.metrics) > 0


def test_a_forced_stage_is_built_a_second_time_alone_and_found_identical(
    parent: Parent, first: RunRecord, config: RunConfig, home: Path
) -> None:
    again = personalize(config, "sample", Origin(parent=first.run_id, from_stage="sample", force=True))
    told = {entry.stage: entry.rebuilt for entry in again.stages}
    assert told["sample"] == "byte-identical"
    assert {entry.stage for entry in again.stages if not entry.cached} == {"sample"}
    assert {rebuilt for stage, rebuilt in told.items() if stage != "sample"} == {""}
    assert belongings(first, home) == parent.files


def test_a_setting_of_an_earlier_stage_is_refused_before_anything_is_recorded(
    first: RunRecord, config: RunConfig, home: Path
) -> None:
    origin = Origin(parent=first.run_id, from_stage="sample", overrides=("train.steps=3",))
    changed = with_overrides(config, origin.overrides)
    known = list_runs(home)
    for attempt in (personalize, plan):
        with pytest.raises(ConfigError, match=r"train\.steps is 3, was 4") as refused:
            attempt(changed, "record", origin)
        again = f"moongate rerun {first.run_id} --stage train --set train.steps=3"
        assert refused.value.fix == f"start from there: {again}"
    assert list_runs(home) == known


def test_a_picture_that_changed_since_is_refused_too(first: RunRecord, config: RunConfig) -> None:
    picture = Path(config.subject.folder) / "0.png"
    content, times = picture.read_bytes(), picture.stat()
    try:
        picture.write_bytes((picture.parent / "1.png").read_bytes()[:-1])
        with pytest.raises(ConfigError, match="ingest's input picture:0.png is another"):
            plan(config, "record", Origin(parent=first.run_id, from_stage="sample"))
    finally:
        picture.write_bytes(content)
        os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))
