import shutil
from pathlib import Path

import pytest

from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.store import Store
from moongate.history.comparison import Figure, InputChange, MetricChange, SettingChange, compare_runs
from tests.past_runs import past_run, run_id


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_run_does_not_differ_from_its_repetition(store: Store) -> None:
    compared = compare_runs(store, past_run(store, 1), past_run(store, 2))
    assert (compared.settings, compared.inputs, compared.metrics) == ((), (), ())
    assert (compared.first, compared.second, compared.equal_metrics) == (run_id(1), run_id(2), 2)


def test_settings_inputs_and_metrics_that_differ_are_each_named_once(store: Store) -> None:
    first = past_run(store, 1, steps=400, pictures="p1", figure=0.5)
    second = past_run(store, 2, steps=200, pictures="p2", figure=0.75)
    compared = compare_runs(store, first, second)
    assert compared.settings == (SettingChange("train.steps", "400", "200"),)
    assert compared.inputs == (InputChange("train", "tuned", "pictures", '"p1"', '"p2"'),)
    assert compared.metrics == (
        MetricChange("fidelity.tiny", "tuned", Figure(0.5, None, None), Figure(0.75, None, None)),
    )
    assert compared.metrics[0].difference == pytest.approx(0.25)
    assert compared.equal_metrics == 1


def test_a_raised_revision_is_an_input_that_differs(store: Store) -> None:
    compared = compare_runs(store, past_run(store, 1), past_run(store, 2, revision=2))
    assert compared.inputs == (InputChange("train", "tuned", "revision", "1", "2"),)


def test_a_stage_that_only_one_run_performed_is_said(store: Store) -> None:
    whole = past_run(store, 1)
    part = whole.model_copy(update={"stages": whole.stages[:1]})
    compared = compare_runs(store, whole, part)
    assert [(change.stage, change.second) for change in compared.inputs] == [("evaluate", "not performed")]
    assert all(change.second is None and change.difference is None for change in compared.metrics)


def test_what_is_gone_from_the_store_is_said_and_the_rest_compared(store: Store) -> None:
    first, second = past_run(store, 1), past_run(store, 2, steps=200)
    shutil.rmtree(store.folder(AdapterRef(first.stages[0].digest)))
    compared = compare_runs(store, first, second)
    assert InputChange("train", "tuned", "artifact", "removed from the store", "kept") in compared.inputs
    assert compared.settings == (SettingChange("train.steps", "400", "200"),)
