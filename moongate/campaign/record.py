"""What a campaign leaves behind: a table, a plot, a sheet of samples, and `campaign.json` with all of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from moongate.artifacts.durability import atomic_file
from moongate.artifacts.room import writing_explained
from moongate.artifacts.store import Store
from moongate.artifacts.tables import write_run_table
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation
from moongate.config import GateConfig

Kind = Literal["batch", "sweep"]
_FILE = "campaign.json"
FIDELITY_PLOT = "fidelity.png"
SAMPLES_SHEET = "samples.png"
_ABSENT_WHEN_EMPTY = ("verdict", "reason", "error")


@dataclass(frozen=True)
class Campaign:
    """A finished campaign.

    Attributes:
        campaign_id: names its folder under `campaigns/` and its file of the table.
        kind: batch: the members are subjects; sweep: they are settings.
        outcomes: one of each member, in order.
        recommendation: of a sweep, when anything could be measured.
    """

    campaign_id: str
    kind: Kind
    outcomes: tuple[Outcome, ...]
    recommendation: Recommendation | None = None

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The members that did not end well."""
        return tuple(outcome for outcome in self.outcomes if outcome.failed)

    @property
    def summary(self) -> str:
        """How it went, in a few words: `3 of 64 failed`, or `64 completed`."""
        total = len(self.outcomes)
        return f"{len(self.failed)} of {total} failed" if self.failed else f"{total} completed"


def campaign_folder(root: Path, campaign_id: str) -> Path:
    """Return where a campaign's files are."""
    return root / "campaigns" / campaign_id


def write_campaign(store: Store, campaign: Campaign, gate: GateConfig) -> Path:
    """Write `campaign.json`, the table, the plot and the samples; return the folder of all but the table.

    What the members' runs left is only drawn from: a run that is gone by now is not among the samples.

    Raises:
        StoreError: when the disk is full.
    """
    folder = campaign_folder(store.root, campaign.campaign_id)
    folder.mkdir(parents=True, exist_ok=True)
    # First, for it is the record of hours of work, and no trouble with the others may cost it.
    _write_bytes(folder / _FILE, (json.dumps(asdict(campaign), indent=2) + "\n").encode())
    rows = [_row(campaign, outcome) for outcome in campaign.outcomes]
    write_run_table(store.root, "campaigns", rows, run_id=campaign.campaign_id, stage=campaign.kind)
    _draw(folder, store, campaign, gate)
    return folder


def _draw(folder: Path, store: Store, campaign: Campaign, gate: GateConfig) -> None:
    # Drawing takes a second to import, and who only lists campaigns draws nothing.
    from moongate.campaign.pictures import fidelity_plot
    from moongate.campaign.samples import samples_sheet
    from moongate.report.curves import as_png
    from moongate.report.sheets import write_sheet

    chosen = campaign.recommendation.outcome if campaign.recommendation else None
    _write_bytes(folder / FIDELITY_PLOT, as_png(fidelity_plot(campaign.outcomes, chosen, gate)))
    if (sheet := samples_sheet(store, campaign.outcomes, chosen, gate)) is not None:
        with writing_explained(folder):
            write_sheet(folder / SAMPLES_SHEET, sheet)


def list_campaigns(root: Path) -> list[Campaign]:
    """Return every readable campaign under `root`, newest first."""
    found = (_read(path) for path in (root / "campaigns").glob(f"*/{_FILE}"))
    campaigns = [campaign for campaign in found if campaign is not None]
    # An id is the kind and then the time.
    return sorted(campaigns, key=lambda campaign: campaign.campaign_id.partition("-")[2], reverse=True)


def _read(path: Path) -> Campaign | None:
    try:
        return TypeAdapter(Campaign).validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _row(campaign: Campaign, outcome: Outcome) -> dict[str, object]:
    own: dict[str, object] = {"campaign_id": campaign.campaign_id, "kind": campaign.kind}
    values = asdict(outcome)
    return own | values | {name: values[name] or None for name in _ABSENT_WHEN_EMPTY}


def _write_bytes(path: Path, content: bytes) -> None:
    with writing_explained(path.parent), atomic_file(path) as temporary:
        temporary.write_bytes(content)
