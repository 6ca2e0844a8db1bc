"""Campaigns for real: the tiny run's settings over several subjects, and over several settings."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.campaign import batch, sweep
from flows.settings import as_toml
from moongate.campaign.record import Campaign, campaign_folder
from moongate.config import RunConfig
from moongate.overrides import with_overrides
from moongate.runs import RunRecord, load_run

pytestmark = pytest.mark.usefixtures("prefect_server", "first")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> Path:
    """The tiny subject twice, and between them one whose settings are no TOML and one without pictures."""
    folder = tmp_path_factory.mktemp("subjects")
    for name in ("noise_duck", "twin"):
        shutil.copytree(config.subject.folder, folder / name / "train")
        shutil.copytree(str(config.subject.holdout_folder), folder / name / "holdout")
        (folder / name / "subject.toml").write_text('[subject]\nclass_noun = "duck"\n')
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
    assert (name, campaign.summary) == ("Degraded", "2 of 4 failed")
    assert [(one.name, one.status) for one in campaign.outcomes] == [
        ("broken", "failed"),
        ("empty", "failed"),
        ("noise_duck", "completed"),
        ("twin", "completed"),
    ]
    broken, empty, *_ = campaign.outcomes
    assert (broken.run_id, "not valid TOML" in broken.error) == (None, True)
    assert "empty" in empty.error


def test_what_one_subject_built_another_with_the_same_pictures_finds(
    batched: tuple[str | None, Campaign],
) -> None:
    *_, first, twin = batched[1].outcomes
    assert (first.built, twin.built) == (0, 0)
    assert first.verdict == twin.verdict != ""


def test_a_campaign_is_a_table_a_plot_a_sheet_and_a_file(
    batched: tuple[str | None, Campaign], home: Path
) -> None:
    _, campaign = batched
    folder = campaign_folder(home, campaign.campaign_id)
    assert {path.name for path in folder.iterdir()} == {"campaign.json", "fidelity.png", "samples.png"}
    assert len(json.loads((folder / "campaign.json").read_text())["outcomes"]) == 4
    rows = pq.read_table(home / f"tables/campaigns/{campaign.campaign_id}.batch.0.parquet").to_pylist()
    assert [row["name"] for row in rows] == ["broken", "empty", "noise_duck", "twin"]
    assert rows[0]["verdict"] is None
    for row in rows[2:]:
        assert load_run(home, row["run_id"]).status == "completed"


def test_when_every_subject_fails_so_does_the_batch(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / "only").mkdir()
    state = batch(str(tmp_path), config, return_state=True)
    assert state.is_failed()
    assert state.result(raise_on_failure=False).summary == "1 of 1 failed"


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


def test_the_command_ends_with_a_status_of_its_own_when_some_subjects_failed(
    subjects: Path, config: RunConfig, home: Path, tmp_path: Path
) -> None:
    preset = tmp_path / "tiny.toml"
    preset.write_text(as_toml(config))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    command = [sys.executable, "-m", "flows.cli", "batch", str(subjects), "--preset", str(preset), "--json"]
    done = subprocess.run(
        command,
        env=inherited | {"MOONGATE_HOME": str(home), "HOME": str(home.parent)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 3
    assert [one["status"] for one in json.loads(done.stdout)["outcomes"]].count("failed") == 2
