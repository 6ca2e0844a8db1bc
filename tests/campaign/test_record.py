import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from moongate.artifacts.store import Store
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation
from moongate.campaign.record import Campaign, Kind, campaign_folder, list_campaigns, write_campaign
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
    folder = write_campaign(store, campaign, GateConfig())
    assert list_campaigns(tmp_path) == [campaign]
    assert (tmp_path / "tables/campaigns/batch-20261121-100000-0002.batch.0.parquet").is_file()
    with Image.open(folder / "samples.png") as sheet:
        of_three = sheet.size
    write_campaign(store, Campaign("batch-20261121-100000-0003", "batch", members[:1]), GateConfig())
    with Image.open(campaign_folder(tmp_path, "batch-20261121-100000-0003") / "samples.png") as sheet:
        assert sheet.size == of_three


def test_a_campaign_is_on_record_even_when_nothing_can_be_drawn_of_it(tmp_path: Path) -> None:
    campaign = Campaign("batch-20261121-100000-0002", "batch", (OUTCOME,))
    (campaign_folder(tmp_path, campaign.campaign_id) / "fidelity.png").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        write_campaign(Store(tmp_path), campaign, GateConfig())
    assert list_campaigns(tmp_path) == [campaign]
