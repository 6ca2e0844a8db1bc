"""What a campaign leaves behind: a table, a plot, a sheet of samples, and `campaign.json` with all of it."""

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from moongate.artifacts.durability import atomic_file
from moongate.artifacts.locks import is_held
from moongate.artifacts.room import writing_explained
from moongate.artifacts.store import Store
from moongate.artifacts.tables import write_run_table
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation, pareto_front, remarks
from moongate.config import GateConfig

Kind = Literal["batch", "sweep"]
State = Literal["running", "finished", "interrupted"]
_FILE = "campaign.json"
FIDELITY_PLOT = "fidelity.png"
SAMPLES_SHEET = "samples.png"
_ABSENT_WHEN_EMPTY = ("verdict", "reason", "error", "result")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Campaign:
    """A campaign, finished or not.

    Attributes:
        campaign_id: names its folder under `campaigns/` and its file of the table.
        kind: batch: the members are subjects; sweep: they are settings.
        outcomes: one of each member that has ended, in order.
        recommendation: of a sweep whose members have all ended, unless all failed.
        state: running as long as it goes on, interrupted when it was stopped.
        members: how many there are; 0 in records of earlier versions, which hold all of them.
    """

    campaign_id: str
    kind: Kind
    outcomes: tuple[Outcome, ...]
    recommendation: Recommendation | None = None
    state: State = "finished"
    members: int = 0

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The members that did not end well."""
        return tuple(outcome for outcome in self.outcomes if outcome.failed)

    @property
    def summary(self) -> str:
        """How it went, in a few words: `3 of 64 failed`, or `64 completed`."""
        total = len(self.outcomes)
        went = f"{len(self.failed)} of {total} failed" if self.failed else f"{total} completed"
        return went if self.state == "finished" else f"{self.state}, {total} of {self.members} ended: {went}"

    @property
    def taken(self) -> Outcome | None:
        """The setting to take; None when none is good."""
        advice = self.recommendation
        return advice.outcome if advice is not None and advice.good else None

    @property
    def front(self) -> tuple[Outcome, ...]:
        """The Pareto front of a sweep; a batch has none, for its members are different subjects."""
        return pareto_front(self.outcomes) if self.kind == "sweep" else ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of a sweep's table has to know first, a sentence each."""
        return remarks(self.outcomes) if self.kind == "sweep" else ()


def campaign_folder(root: Path, campaign_id: str) -> Path:
    """Return where a campaign's files are."""
    return root / "campaigns" / campaign_id


def campaign_lock(root: Path, campaign_id: str) -> Path:
    """Return the lock that is held as long as a campaign goes on."""
    return root / "locks" / f"{campaign_id}.lock"


def write_campaign(store: Store, campaign: Campaign) -> Path:
    """Write `campaign.json` and the table as things stand; return the folder of the former.

    It costs milliseconds, so that it is written whenever a member has ended.

    Raises:
        StoreError: when the disk is full.
    """
    folder = campaign_folder(store.root, campaign.campaign_id)
    folder.mkdir(parents=True, exist_ok=True)
    # First, for it is the record of hours of work, and no trouble with the table may cost it.
    _write_bytes(folder / _FILE, (json.dumps(asdict(campaign), indent=2) + "\n").encode())
    rows = [_row(campaign, outcome, "member") for outcome in campaign.outcomes]
    if campaign.recommendation is not None and campaign.recommendation.second is not None:
        rows.append(_row(campaign, campaign.recommendation.second, "confirmation"))
    write_run_table(store.root, "campaigns", rows, run_id=campaign.campaign_id, stage=campaign.kind)
    return folder


def draw_campaign(store: Store, campaign: Campaign, gate: GateConfig) -> None:
    """Draw the plot and the samples into the campaign's folder.

    What the members' runs left is only drawn from: a run that is gone by now is not among the samples. A
    picture that cannot be drawn is missing, which a warning says: by then hours of work are done.
    """
    folder = campaign_folder(store.root, campaign.campaign_id)
    for name, draw in ((FIDELITY_PLOT, _write_plot), (SAMPLES_SHEET, _write_samples)):
        try:
            draw(folder / name, store, campaign, gate)
        except Exception as fault:  # noqa: BLE001 - whatever hinders a picture, the campaign is done
            _log.warning(
                "%s could not be drawn and is missing: %s: %s", folder / name, type(fault).__name__, fault
            )


def _write_plot(path: Path, _store: Store, campaign: Campaign, gate: GateConfig) -> None:
    # Drawing takes a second to import, and who only lists campaigns draws nothing.
    from moongate.campaign.pictures import fidelity_plot
    from moongate.report.curves import as_png

    _write_bytes(path, as_png(fidelity_plot(campaign.outcomes, campaign.taken, gate, campaign.front)))


def _write_samples(path: Path, store: Store, campaign: Campaign, gate: GateConfig) -> None:
    from moongate.campaign.samples import samples_sheet
    from moongate.report.sheets import write_sheet

    sheet = samples_sheet(store, campaign.outcomes, campaign.taken, gate, campaign.front)
    if sheet is not None:
        with writing_explained(path.parent):
            write_sheet(path, sheet)


def list_campaigns(root: Path) -> list[Campaign]:
    """Return every readable campaign under `root`, newest first."""
    found = (_read(root, path) for path in (root / "campaigns").glob(f"*/{_FILE}"))
    campaigns = [campaign for campaign in found if campaign is not None]
    # An id is the kind and then the time.
    return sorted(campaigns, key=lambda campaign: campaign.campaign_id.partition("-")[2], reverse=True)


def load_campaign(root: Path, campaign_id: str) -> Campaign | None:
    """Return the campaign of this id; None when there is none, or its record cannot be read."""
    return _read(root, campaign_folder(root, campaign_id) / _FILE)


def _read(root: Path, path: Path) -> Campaign | None:
    try:
        campaign = TypeAdapter(Campaign).validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    if campaign.state == "running" and not is_held(campaign_lock(root, campaign.campaign_id)):
        return replace(campaign, state="interrupted")
    return campaign


def _row(campaign: Campaign, outcome: Outcome, role: str) -> dict[str, object]:
    own: dict[str, object] = {"campaign_id": campaign.campaign_id, "kind": campaign.kind, "role": role}
    values = asdict(outcome)
    # Shares by prompt are in `campaign.json`, and with all else of each picture in the table `metrics`.
    del values["by_prompt"]
    return own | values | {name: values[name] or None for name in _ABSENT_WHEN_EMPTY}


def _write_bytes(path: Path, content: bytes) -> None:
    with writing_explained(path.parent), atomic_file(path) as temporary:
        temporary.write_bytes(content)
