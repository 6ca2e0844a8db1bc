import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from moongate.artifacts.store import Store
from moongate.campaign.exhibits import of_campaign
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation
from moongate.campaign.record import (
    Campaign,
    Kind,
    campaign_folder,
    draw_campaign,
    list_campaigns,
    write_campaign,
)
from moongate.config import GateConfig
from moongate.runs import run_folder
from tests.campaign.outcome_material import outcome
from tests.index_material import run_id, shown_run
from tests.run_material import samples

OUTCOME = Outcome("a", "duck", "train.steps=1", 0, None, "failed", "", "", None, None, None, 1.0, 0, "why")


def written(root: Path, campaign_id: str, kind: Kind) -> Campaign:
    campaign = Campaign(campaign_id, kind, (OUTCOME,), Recommendation(OUTCOME, "because"))
    folder = campaign_folder(root, campaign_id)
    folder.mkdir(parents=True)
    (folder / "campaign.json").write_text(json.dumps(asdict(campaign)))
    return campaign


def test_campaigns_are_read_back_newest_first_and_others_are_passed_over(tmp_path: Path) -> None:
    assert list_campaigns(tmp_path) == []
    old = written(tmp_path, "sweep-20261120-100000-0001", "sweep")
    new = written(tmp_path, "batch-20261121-100000-0002", "batch")
    unreadable = campaign_folder(tmp_path, "batch-20261122-100000-0003")
    unreadable.mkdir()
    (unreadable / "campaign.json").write_text('{"kind": "no such kind"}')
    assert list_campaigns(tmp_path) == [new, old]


def test_members_whose_runs_or_samples_are_gone_cost_a_campaign_nothing_but_their_pictures(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    shown_run(store, 1)
    shown_run(store, 2)
    other = shown_run(store, 3, drawn=samples(store, "tuned", "elsewhere"))
    shutil.rmtree(run_folder(tmp_path, run_id(2)))
    (digest,) = (entry.digest for entry in other.stages if (entry.stage, entry.role) == ("sample", "tuned"))
    shutil.rmtree(tmp_path / "artifacts" / "sample" / digest)
    members = tuple(outcome(str(n), 0.8, 0.9, "good", run_id=run_id(n)) for n in (1, 2, 3))
    campaign = Campaign("batch-20261121-100000-0002", "batch", members)
    folder = write_campaign(store, campaign)
    draw_campaign(store, campaign, GateConfig())
    assert list_campaigns(tmp_path) == [campaign]
    assert (tmp_path / "tables/campaigns/batch-20261121-100000-0002.batch.0.parquet").is_file()
    with Image.open(folder / "samples.png") as sheet:
        of_three = sheet.size
    alone = Campaign("batch-20261121-100000-0003", "batch", members[:1])
    write_campaign(store, alone)
    draw_campaign(store, alone, GateConfig())
    with Image.open(campaign_folder(tmp_path, "batch-20261121-100000-0003") / "samples.png") as sheet:
        assert sheet.size == of_three


def test_a_picture_that_cannot_be_drawn_is_missing_with_a_warning_and_the_others_are_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    shown_run(store, 1)
    campaign = Campaign(
        "batch-20261121-100000-0002", "batch", (outcome("1", 0.8, 0.9, "good", run_id=run_id(1)),)
    )
    folder = write_campaign(store, campaign)
    (folder / "fidelity.png").mkdir()
    with caplog.at_level(logging.WARNING):
        draw_campaign(store, campaign, GateConfig())
    assert "fidelity.png could not be drawn and is missing: IsADirectoryError" in caplog.text
    assert (folder / "samples.png").is_file()
    (folder / "fidelity.png").rmdir()
    shown = [one.name for one in of_campaign(campaign, folder)]
    assert shown == ["result", "runs", "samples"]


def test_a_record_of_an_earlier_version_is_read_as_finished(tmp_path: Path) -> None:
    campaign = written(tmp_path, "sweep-20261120-100000-0001", "sweep")
    file = campaign_folder(tmp_path, campaign.campaign_id) / "campaign.json"
    content = json.loads(file.read_text())
    later = ("fidelity_low", "fidelity_high", "prompt_fidelity_low", "prompt_fidelity_high")
    for one in (content["outcomes"][0], content["recommendation"]["outcome"]):
        for name in (*later, "train_steps", "kept_step", "build_s", "result", "by_prompt"):
            del one[name]
    del content["state"], content["members"], content["recommendation"]["second"]
    file.write_text(json.dumps(content))
    assert list_campaigns(tmp_path) == [campaign]
    assert campaign.state == "finished"


def test_the_run_with_the_second_seed_is_a_row_of_the_table_and_in_the_record(tmp_path: Path) -> None:
    first, second = (outcome("a", 0.8, 0.9, "good", seed=seed, run_id=run_id(seed)) for seed in (0, 1))
    advice = Recommendation(first, "because", "seed 1 confirms it", second)
    campaign = Campaign("sweep-20261121-100000-0002", "sweep", (first,), advice)
    write_campaign(Store(tmp_path), campaign)
    (read,) = list_campaigns(tmp_path)
    assert read.recommendation is not None
    assert read.recommendation.second == second
    (table,) = (tmp_path / "tables" / "campaigns").glob("*.parquet")
    rows = pq.read_table(table).to_pylist()
    assert [(row["role"], row["seed"]) for row in rows] == [("member", 0), ("confirmation", 1)]


def test_only_a_sweep_has_a_front_for_subjects_are_not_to_be_compared() -> None:
    members = tuple(outcome(str(n), 0.8, 0.9, "good") for n in (1, 2))
    assert Campaign("sweep-1", "sweep", members).front == members
    assert Campaign("batch-1", "batch", members).front == ()
