"""Whatever lies in a folder: no crash, no silent drop, and words that say what is wrong."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.hostile.case import BASE, LENIENT, Case, observe, prepare
from benchmarks.hostile.cases import CASES
from benchmarks.hostile.folder import SOUND
from moongate.artifacts.store import Store
from moongate.config import IngestConfig
from moongate.imagefolder.account import RejectedInputsError
from moongate.imagefolder.verdicts import Verdict
from moongate.stages.context import StageContext
from moongate.stages.ingest import ingest


@pytest.fixture(params=CASES, ids=lambda case: case.title)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def test_a_hostile_input_gets_its_verdict_and_its_words(case: Case, tmp_path: Path) -> None:
    inputs = prepare(case, tmp_path / "pictures")
    store = Store(tmp_path / "store")
    seen = observe(case, inputs, store)
    assert case.is_met_by(seen.verdict, seen.message), (seen.verdict, seen.message)
    if case.verdict == "refused":
        assert_refused_with_rows(case, seen.rows, files_of(inputs.folder))
        return
    # Nothing is dropped: every file of the folder has a row, and the sound pictures are used all the same.
    assert {row.file_name for row in seen.rows} >= files_of(inputs.folder)
    assert {row.file_name for row in seen.rows if row.verdict == "accepted"} >= set(SOUND)
    assert all(row.hint for row in seen.rows if row.verdict == "rejected")
    strict = IngestConfig()
    if case.verdict != "rejected":
        ingest(strict, inputs, StageContext(store))
        return
    with pytest.raises(RejectedInputsError) as refused:
        ingest(strict, inputs, StageContext(Store(tmp_path / "other")))
    assert str(refused.value).replace("\n", "").isprintable()
    assert not list((tmp_path / "other").glob("artifacts/ingest/[0-9a-f]*"))


def assert_refused_with_rows(case: Case, rows: tuple[Verdict, ...], files: set[str]) -> None:
    """Each file has a row, or one row stands for the folder that could not be read."""
    if {row.file_name for row in rows} >= files:
        return
    (row,) = rows
    assert (row.file_name, row.verdict) == ("metadata.jsonl", "rejected")
    assert case.says in row.reason
    assert row.hint
    assert f"{row.reason}{row.hint}".isprintable()


def files_of(folder: Path) -> set[str]:
    """Every file with a printable name that stands open in the folder."""
    found = set()
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and len(name) < 100]
        found |= {(Path(parent) / name).relative_to(folder).as_posix() for name in names}
    return {name for name in found if name.isprintable() and name != "metadata.jsonl"}


def test_there_are_at_least_sixty_hostile_inputs_and_none_twice() -> None:
    titles = [case.title for case in CASES]
    assert len(titles) == len(set(titles)) >= 60
    assert {case.verdict for case in CASES} == {"accepted", "rejected", "ignored", "refused"}


def test_everything_at_once_is_told_at_once(tmp_path: Path) -> None:
    """All pictures that cannot be used, in one folder: one error that has each of them."""
    from benchmarks.hostile.folder import sound_folder
    from benchmarks.hostile.pictures import UNUSABLE

    folder = sound_folder(tmp_path / "pictures")
    single = [case for case in UNUSABLE if case.about.startswith("x.")]
    for number, case in enumerate(single):
        apart = sound_folder(tmp_path / "apart" / str(number))
        case.build(apart)
        content = (apart.path / case.about).read_bytes()
        folder.put(f"{number}-{case.about}", content)
    folder.write_metadata()
    inputs = replace(prepare(CASES[0], tmp_path / "first"), folder=folder.path)
    with pytest.raises(RejectedInputsError) as refused:
        ingest(IngestConfig(), inputs, StageContext(Store(tmp_path / "store")))
    account = refused.value.account
    assert account.count("accepted") == len(SOUND)
    assert account.count("rejected") == len(single)
    assert sum(len(group.shown) + group.left_out for group in account.groups()) == len(single)
    assert len(str(refused.value).splitlines()) < 60


def test_the_cases_are_judged_with_the_bundled_tokenizer() -> None:
    assert LENIENT.allow_rejects
    assert BASE.tokenizer_digest() != BASE.digest()
