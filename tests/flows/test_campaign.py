"""Campaigns for real: the tiny run's settings over several subjects, and over several settings."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.campaign import batch, sweep
from flows.members import perform_member
from moongate.artifacts.store import Store
from moongate.campaign.members import Member
from moongate.campaign.record import Campaign, campaign_folder
from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.overrides import with_overrides
from moongate.runs import RunRecord, load_run

pytestmark = pytest.mark.usefixtures("prefect_server", "first")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> Path:
    """The tiny subject, one whose settings are no TOML, and one without pictures."""
    folder = tmp_path_factory.mktemp("subjects")
    shutil.copytree(config.subject.folder, folder / "moved_duck" / "train")
    shutil.copytree(str(config.subject.holdout_folder), folder / "moved_duck" / "holdout")
    (folder / "moved_duck" / "subject.toml").write_text('[subject]\nclass_noun = "duck"\n')
    (folder / "broken").mkdir()
    (folder / "broken" / "subject.toml").write_text("class_noun: duck")
    (folder / "empty").mkdir()
    (folder / "empty" / "subject.toml").write_text('[subject]\nclass_noun = "duck"\n')
    return folder


@pytest.fixture(scope="module")
def batched(subjects: Path, config: RunConfig) -> tuple[str | None, Campaign]:
    state = batch(str(subjects), config, return_state=True)
    return state.name, state.result()


def test_broken_subjects_cost_no_other_one_and_the_state_says_how_many(
    batched: tuple[str | None, Campaign],
) -> None:
    name, campaign = batched
    assert (name, campaign.summary) == ("Degraded", "2 of 3 failed")
    assert [(one.name, one.status) for one in campaign.outcomes] == [
        ("broken", "failed"),
        ("empty", "failed"),
        ("moved_duck", "completed"),
    ]
    broken, empty, _ = campaign.outcomes
    assert (broken.run_id, "not valid TOML" in broken.error) == (None, True)
    assert "empty" in empty.error


def test_what_another_run_built_from_the_same_pictures_is_found(
    batched: tuple[str | None, Campaign],
) -> None:
    *_, moved = batched[1].outcomes
    assert moved.built == 0
    assert moved.verdict


def test_a_campaign_is_a_table_a_plot_a_sheet_and_a_file(
    batched: tuple[str | None, Campaign], home: Path
) -> None:
    _, campaign = batched
    folder = campaign_folder(home, campaign.campaign_id)
    assert {path.name for path in folder.iterdir()} == {"campaign.json", "fidelity.png", "samples.png"}
    assert len(json.loads((folder / "campaign.json").read_text())["outcomes"]) == 3
    rows = pq.read_table(home / f"tables/campaigns/{campaign.campaign_id}.batch.0.parquet").to_pylist()
    assert [row["name"] for row in rows] == ["broken", "empty", "moved_duck"]
    assert rows[0]["verdict"] is None
    for row in rows[2:]:
        assert load_run(home, row["run_id"]).status == "completed"


def test_when_every_subject_fails_so_does_the_batch(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / "only").mkdir()
    state = batch(str(tmp_path), config, return_state=True)
    assert state.is_failed()
    assert state.result(raise_on_failure=False).summary == "1 of 1 failed"


def test_a_member_whose_run_could_not_be_entered_in_the_tables_failed(config: RunConfig, home: Path) -> None:
    table = home / "tables" / "runs"
    aside = table.rename(table.with_name("runs aside"))
    table.touch()
    try:
        found = perform_member(Member("duck", (), config), Store(home))
    finally:
        table.unlink()
        aside.rename(table)
    assert load_run(home, str(found.run_id)).status == "completed"
    assert found.status == "failed"
    assert str(table) in found.error


def test_a_sweeps_own_seed_cannot_confirm_it(config: RunConfig) -> None:
    with pytest.raises(ConfigError, match="cannot confirm itself"):
        sweep(["train.steps=2,4"], config, confirm_seed=config.seed)


def test_a_sweep_builds_only_what_a_setting_changes_and_asks_a_second_seed(
    config: RunConfig, home: Path, first: RunRecord
) -> None:
    varied = ["sample.guidance=3,1.7"]
    state = sweep(varied, with_overrides(config, ["sample.guidance=3"]), return_state=True)
    campaign: Campaign = state.result()
    as_before, other = campaign.outcomes
    assert as_before.built == 0
    changed = {entry.stage for entry in load_run(home, str(other.run_id)).stages if not entry.cached}
    assert changed == {"sample", "evaluate", "record"}
    # Random weights need not have any prompt fidelity, and then there is nothing to recommend.
    measured = [one for one in campaign.outcomes if one.fidelities is not None]
    assert (campaign.recommendation is not None) == bool(measured)
