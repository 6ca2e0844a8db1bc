"""What a campaign leaves behind: a table, a plot, a sheet of samples, and `campaign.json` with all of it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from moongate.artifacts.durability import atomic_file
from moongate.artifacts.store import Store
from moongate.artifacts.tables import write_run_table
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation
from moongate.config import GateConfig
from moongate.runs import load_run

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
    """Write the table, the plot, the samples and `campaign.json`; return the folder of the latter three."""
    # Drawing takes a second to import, and who only lists campaigns draws nothing.
    from moongate.campaign.pictures import fidelity_plot
    from moongate.report.curves import as_png

    folder = campaign_folder(store.root, campaign.campaign_id)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_row(campaign, outcome) for outcome in campaign.outcomes]
    write_run_table(store.root, "campaigns", rows, run_id=campaign.campaign_id, stage=campaign.kind)
    chosen = campaign.recommendation.outcome if campaign.recommendation else None
    _write_bytes(folder / FIDELITY_PLOT, as_png(fidelity_plot(campaign.outcomes, chosen, gate)))
    _write_samples(folder / SAMPLES_SHEET, store, campaign.outcomes)
    _write_bytes(folder / _FILE, (json.dumps(asdict(campaign), indent=2) + "\n").encode())
    return folder


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


def _write_samples(path: Path, store: Store, outcomes: Sequence[Outcome]) -> None:
    from moongate.campaign.pictures import PROMPTS_SHOWN, sample_cells
    from moongate.report.sheets import contact_sheet, write_sheet

    begun = [(one.name, one.run_id) for one in outcomes if one.run_id is not None]
    cells = sample_cells(store, [(name, load_run(store.root, run_id)) for name, run_id in begun])
    if cells:
        write_sheet(path, contact_sheet("Samples of every run", cells, PROMPTS_SHOWN))


def _write_bytes(path: Path, content: bytes) -> None:
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
