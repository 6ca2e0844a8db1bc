"""What is said of a member: as failed as it was, without secrets, and whatever became of its artifacts."""

import shutil
from pathlib import Path

import pytest

from moongate.artifacts.store import Store
from moongate.campaign.members import Member
from moongate.campaign.outcomes import outcome_of, outcome_of_failure, outcome_without_run
from moongate.config import RunConfig
from tests.index_material import bare_run, shown_run

MEMBER = Member("duck", (), RunConfig())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_run_that_was_closed_and_then_failed_is_not_called_completed(store: Store) -> None:
    found = outcome_of_failure(store, MEMBER, shown_run(store, 1), OSError("no room for the tables"))
    assert (found.status, found.error) == ("failed", "OSError: no room for the tables")
    assert found.fidelities is not None


def test_a_failure_that_the_run_itself_noted_keeps_its_words(store: Store) -> None:
    run = bare_run(store, 1, status="failed", error="InputError: a folder is empty")
    found = outcome_of_failure(store, MEMBER, run, ValueError("something that came of it"))
    assert (found.status, found.error) == ("failed", "InputError: a folder is empty")


@pytest.mark.parametrize(
    "damage", [shutil.rmtree, lambda folder: (folder / "summary.parquet").write_bytes(b"")]
)
def test_a_run_whose_figures_are_gone_or_damaged_keeps_its_verdict(store: Store, damage) -> None:
    run = shown_run(store, 1)
    assert outcome_of(store, MEMBER, run).fidelity is not None
    (figures,) = store.root.glob("artifacts/evaluate/*")
    damage(figures)
    found = outcome_of(store, MEMBER, run)
    assert (found.status, found.verdict, found.fidelity) == ("completed", "good", None)


def test_no_secret_of_the_environment_is_in_what_is_said_of_a_failure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_QmV5xTq81LzR")
    error = ConnectionError("refused: https://me:hf_QmV5xTq81LzR@hub.example/model")
    for found in (
        outcome_without_run(MEMBER, error, 1.0),
        outcome_of_failure(store, MEMBER, bare_run(store, 1, status="interrupted"), error),
    ):
        assert "hf_QmV5xTq81LzR" not in found.error
        assert found.error.startswith("ConnectionError: refused")
