import shutil
from pathlib import Path

import pytest

from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.store import Store
from moongate.errors import InputError
from moongate.history.reasons import explain
from moongate.runs import RunRecord
from tests.past_runs import past_run, run_id


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def why(store: Store, run: RunRecord, stage: str) -> str:
    (reason,) = explain(store, run, stage)
    return str(reason)


def test_the_first_run_has_nothing_to_be_compared_with(store: Store) -> None:
    run = past_run(store, 1)
    assert why(store, run, "train") == (
        "train tuned was built: no earlier run in this store has a train tuned"
    )
    assert why(store, run, "evaluate").endswith("no earlier run in this store has an evaluate all")


def test_a_reused_stage_names_the_run_that_built_it(store: Store) -> None:
    past_run(store, 1)
    past_run(store, 2)
    assert why(store, past_run(store, 3), "train") == (
        f"train tuned was reused: {run_id(1)} built it from the same recipe"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 200}, "train.steps is 200, was 400"),
        ({"pictures": "p2"}, "train's input pictures is another"),
        ({"revision": 2}, "train.revision is 2, was 1"),
    ],
)
def test_a_built_stage_names_what_differs_also_when_that_lies_upstream(
    store: Store, change: dict[str, int | str], said: str
) -> None:
    past_run(store, 1)
    changed = past_run(store, 2, **change)
    assert why(store, changed, "train") == f"train tuned was built: {said} (compared with {run_id(1)})"
    assert why(store, changed, "evaluate") == f"evaluate all was built: {said} (compared with {run_id(1)})"


def test_it_is_compared_with_the_nearest_earlier_artifact_not_the_last(store: Store) -> None:
    past_run(store, 1, steps=400, pictures="p1")
    past_run(store, 2, steps=100, pictures="p2")
    assert why(store, past_run(store, 3, steps=300, pictures="p1"), "train").endswith(
        f"train.steps is 300, was 400 (compared with {run_id(1)})"
    )


def test_a_later_run_explains_nothing(store: Store) -> None:
    first = past_run(store, 1)
    past_run(store, 2, steps=200)
    assert "no earlier run" in why(store, first, "train")


def test_what_the_store_lost_was_built_again_for_that_reason(store: Store) -> None:
    first = past_run(store, 1)
    shutil.rmtree(store.folder(AdapterRef(first.stages[0].digest)))
    assert why(store, past_run(store, 2), "train") == (
        f"train tuned was built: the recipe is that of {run_id(1)},"
        " but the store had lost the artifact (removed or damaged)"
    )


def test_every_stage_has_a_reason_and_a_record_is_always_written(store: Store) -> None:
    reasons = explain(store, past_run(store, 1))
    assert [(reason.stage, reason.outcome) for reason in reasons] == [
        ("train", "built"),
        ("evaluate", "built"),
        ("record", "built"),
    ]
    assert reasons[-1].why == "a record is the run's own and is always written"


def test_a_stage_that_the_run_did_not_come_to_is_a_clear_error(store: Store) -> None:
    run = past_run(store, 1)
    with pytest.raises(InputError, match="has no stage sample"):
        explain(store, run, "sample")
