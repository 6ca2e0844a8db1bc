import json
from dataclasses import asdict
from pathlib import Path

from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation
from moongate.campaign.record import Campaign, Kind, campaign_folder, list_campaigns

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
