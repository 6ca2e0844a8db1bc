"""A campaign that goes on: what is on disk after each member, and after whatever ended it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from moongate.artifacts.store import Store
from moongate.campaign.journal import keeping
from moongate.campaign.record import Campaign, load_campaign
from moongate.interruption import StopError
from tests.campaign.outcome_material import outcome

BEGUN = Campaign("sweep-20261121-100000-0002", "sweep", (), state="running", members=2)
KILLED = """
import os, signal, sys
from pathlib import Path
from moongate.artifacts.store import Store
from moongate.campaign.journal import keeping
from tests.campaign.outcome_material import outcome
from tests.campaign.test_journal import BEGUN

with keeping(Store(Path(sys.argv[1])), BEGUN) as journal:
    journal.add(outcome("a", 0.8, 0.9, "good"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def on_disk(root: Path) -> Campaign:
    found = load_campaign(root, BEGUN.campaign_id)
    assert found is not None
    return found


def test_every_member_is_on_disk_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    members = tuple(outcome(name, 0.8, 0.9, "good") for name in ("a", "b"))
    with keeping(Store(tmp_path), BEGUN) as journal:
        for count, member in enumerate(members, start=1):
            journal.add(member)
            found = on_disk(tmp_path)
            assert (found.outcomes, found.state) == (members[:count], "running")
            assert found.summary == f"running, {count} of 2 ended: {count} completed"
    assert (on_disk(tmp_path).state, on_disk(tmp_path).summary) == ("finished", "2 completed")


@pytest.mark.parametrize("end", [StopError, KeyboardInterrupt, RuntimeError])
def test_what_ends_a_campaign_leaves_what_was_done_and_says_interrupted(
    tmp_path: Path, end: type[BaseException]
) -> None:
    with pytest.raises(end), keeping(Store(tmp_path), BEGUN) as journal:
        journal.add(outcome("a", 0.8, 0.9, "good"))
        raise end
    assert on_disk(tmp_path).summary == "interrupted, 1 of 2 ended: 1 completed"
    assert (tmp_path / "tables/campaigns" / f"{BEGUN.campaign_id}.sweep.0.parquet").is_file()


def test_a_killed_campaign_is_known_to_be_interrupted(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [one.name for one in on_disk(tmp_path).outcomes] == ["a"]
    assert on_disk(tmp_path).state == "interrupted"
