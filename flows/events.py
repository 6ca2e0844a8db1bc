"""What happens in a run or a campaign, as typed events: what `--json` prints, one object a line.

Times are UTC in ISO 8601, durations in seconds, shares in 0..1. An event of a later version may have more
fields, and there may be more kinds of events; those that are here keep their meaning.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from moongate.campaign.outcomes import Outcome
from moongate.metrics.rows import ModelRole, SummaryRow
from moongate.metrics.rows import Status as ValueStatus
from moongate.runs import RunRecord, StageEntry, Status, Verb

if TYPE_CHECKING:
    from moongate.campaign.record import Campaign


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Event(BaseModel):
    """Something happened."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_utc: str = Field(default_factory=_now, description="When it happened.")


class RunStarted(Event):
    """A run has a record, and its first stage is about to begin."""

    event: Literal["run_started"] = "run_started"
    run_id: str
    subject: str
    until: Verb = Field(description="The last stage that was asked for.")
    parent: str | None = Field(description="The run that this one repeats from one of its stages on.")

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """Describe a run."""
        subject = record.config.subject.name
        return cls(run_id=record.run_id, subject=subject, until=record.until, parent=record.parent)


class StageStarted(Event):
    """A stage instance begins: it asks the store first."""

    event: Literal["stage_started"] = "stage_started"
    run_id: str
    stage: Verb
    role: str = Field(description="Tells apart the instances of a stage, such as base and tuned samples.")


class StageProgress(Event):
    """A stage instance is so far; said at most once a second, and at its end."""

    event: Literal["stage_progress"] = "stage_progress"
    run_id: str
    stage: Verb
    role: str
    what: str = Field(description="What is counted.")
    done: int
    total: int


class StageFinished(Event):
    """A stage instance is done, and its artifact is in the store."""

    event: Literal["stage_finished"] = "stage_finished"
    run_id: str
    stage: Verb
    role: str
    cached: bool = Field(description="Whether the store had the artifact.")
    wall_s: float
    items: int
    unet_evals: int = Field(description="Samples that went through the UNet now.")
    lost: int = Field(description="Items that could not be computed and were left out.")
    device: str
    leased: str = Field(description="The device that was held, as its whole host knows it; empty = none.")
    digest: str = Field(description="The artifact's address; empty for `record`, which makes none.")
    rebuilt: str = Field(description="How a forced second build compared with the stored artifact.")

    @classmethod
    def of(cls, run_id: str, entry: StageEntry) -> Self:
        """Describe a finished stage instance."""
        left_out = {"attempt", "kind", "peak_memory_bytes"}
        return cls(run_id=run_id, **entry.model_dump(exclude=left_out))


class Metric(BaseModel):
    """One metric of one model over all its pictures, with its interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    model: ModelRole
    value: float | None
    low: float | None
    high: float | None
    n: int
    lost: int
    status: ValueStatus

    @classmethod
    def of(cls, row: SummaryRow) -> Self:
        """Take what is said of a metric."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class MetricsMeasured(Event):
    """The closing metrics of a run."""

    event: Literal["metrics"] = "metrics"
    run_id: str
    metrics: tuple[Metric, ...]


class VerdictReached(Event):
    """A run was judged."""

    event: Literal["verdict"] = "verdict"
    run_id: str
    verdict: str = Field(description="good, underfit, overfit, collapsed or unknown.")
    reason: str


class RunFinished(Event):
    """A run has ended, well or not."""

    event: Literal["run_finished"] = "run_finished"
    run_id: str
    status: Status
    error: str | None
    verdict: str = Field(description="Empty when the run was not judged.")
    wall_s: float
    unet_evals: int
    lost: int = Field(description="Items of all stages that could not be computed and were left out.")
    report: str | None = Field(description="Path of the report; null when there is none.")

    @classmethod
    def of(cls, record: RunRecord, report: Path | None) -> Self:
        """Describe how a run has ended."""
        shared = ("run_id", "status", "error", "verdict", "wall_s", "unet_evals", "lost")
        known = {name: getattr(record, name) for name in shared}
        return cls(**known, report=str(report) if report else None)


class CampaignStarted(Event):
    """A batch or a sweep begins."""

    event: Literal["campaign_started"] = "campaign_started"
    campaign_id: str
    kind: Literal["batch", "sweep"]
    members: tuple[str, ...] = Field(description="Names of the subjects, or of the settings.")


class MemberFinished(Event):
    """One run of a campaign has ended, or could not begin."""

    event: Literal["member_finished"] = "member_finished"
    campaign_id: str
    name: str
    run_id: str | None
    status: Literal["completed", "failed"]
    verdict: str
    fidelity: float | None = Field(description="Share of the way from the base model to real pictures.")
    prompt_fidelity: float | None = Field(description="Share of the base model's that is kept.")
    class_drift: float | None = Field(description="Share of the way that the class went to the subject.")
    wall_s: float
    error: str

    @classmethod
    def of(cls, campaign_id: str, outcome: Outcome) -> Self:
        """Describe what came of a member."""
        own = {"event", "at_utc", "campaign_id"}
        known = {name: getattr(outcome, name) for name in cls.model_fields if name not in own}
        return cls(campaign_id=campaign_id, **known)


class SecondRun(BaseModel):
    """What came of the recommended settings with another seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str | None
    seed: int
    status: Literal["completed", "failed"]
    verdict: str
    fidelity: float | None
    prompt_fidelity: float | None
    wall_s: float
    error: str

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Take what is said of a run."""
        return cls(**{name: getattr(outcome, name) for name in cls.model_fields})


class CampaignFinished(Event):
    """A batch or a sweep has ended: all its members have, or it was stopped."""

    event: Literal["campaign_finished"] = "campaign_finished"
    campaign_id: str
    kind: Literal["batch", "sweep"]
    state: Literal["finished", "interrupted"] = "finished"
    completed: int
    failed: int
    recommended: str | None = Field(description="Of a sweep: the settings to take; null when none is good.")
    reason: str = Field(description="Why those; or what the nearest settings lack.")
    confirmation: str = Field(description="What a second seed says of them.")
    second: SecondRun | None = Field(None, description="The run with that seed; null when there was none.")
    folder: str = Field(description="Where table, plot and samples are.")

    @classmethod
    def of(cls, campaign: "Campaign", folder: Path) -> Self:
        """Describe a campaign that has ended."""
        taken, failed = campaign.recommendation, len(campaign.failed)
        return cls(
            campaign_id=campaign.campaign_id,
            kind=campaign.kind,
            state="finished" if campaign.state == "finished" else "interrupted",
            completed=len(campaign.outcomes) - failed,
            failed=failed,
            recommended=campaign.taken.name if campaign.taken else None,
            reason=taken.reason if taken else "",
            confirmation=taken.confirmation if taken else "",
            second=SecondRun.of(taken.second) if taken and taken.second else None,
            folder=str(folder),
        )


class Message(Event):
    """Something that a person should know: a warning, or an error that stopped nothing."""

    event: Literal["message"] = "message"
    level: Literal["warning", "error"]
    text: str


AnyEvent = Annotated[
    RunStarted
    | StageStarted
    | StageProgress
    | StageFinished
    | MetricsMeasured
    | VerdictReached
    | RunFinished
    | CampaignStarted
    | MemberFinished
    | CampaignFinished
    | Message,
    Field(discriminator="event"),
]
_ANY: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def read_event(line: str) -> AnyEvent:
    """Return the event that a line holds.

    Raises:
        pydantic.ValidationError: when it is no event of this version.
    """
    return _ANY.validate_json(line)
