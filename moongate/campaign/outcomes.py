"""What came of each run of a campaign."""

import logging
from dataclasses import dataclass, replace
from typing import Literal

from moongate.artifacts.store import Store
from moongate.campaign.evidence import Evidence, PromptShares, evidence_of
from moongate.campaign.members import Member
from moongate.config import RunConfig
from moongate.redaction import redacted
from moongate.report.reading import UNREADABLE
from moongate.report.verdict import Finding
from moongate.runs import RunRecord

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """One run of a campaign, finished or not. Shares are in 0..1, None when not measured or gone.

    What came later than the record of a campaign that is read has its default: not known.

    Attributes:
        name: of the member.
        subject: name of the subject; the member's name when its settings are not valid.
        overrides: the settings that tell it from the others, as typed.
        seed: of the run.
        run_id: None when no run was begun.
        status: failed also when the gate did not let the result pass.
        verdict: good, underfit, overfit, collapsed or unknown; empty when the run was not evaluated.
        reason: the numbers behind the verdict.
        fidelity: share of the way from the base model's subject fidelity to that of real pictures.
        prompt_fidelity: share of the base model's that is kept.
        class_drift: share of the way that class pictures went to the subject.
        wall_s: seconds.
        built: stage instances that were not in the store.
        error: what went wrong; empty when nothing did.
        fidelity_low, fidelity_high: the interval of `fidelity`; None where none can be formed.
        prompt_fidelity_low, prompt_fidelity_high: that of `prompt_fidelity`.
        train_steps: training steps that were asked for.
        kept_step: the one whose weights were kept.
        build_s: seconds that its artifacts took when they were built, whichever run built them.
        result: the same in two runs when they are one result under two names (see
            `moongate.campaign.evidence.result_digest`); empty when not known.
        by_prompt: both fidelities prompt by prompt, to compare it with another run on the same prompts.
    """

    name: str
    subject: str
    overrides: str
    seed: int
    run_id: str | None
    status: Literal["completed", "failed"]
    verdict: str
    reason: str
    fidelity: float | None
    prompt_fidelity: float | None
    class_drift: float | None
    wall_s: float
    built: int
    error: str
    fidelity_low: float | None = None
    fidelity_high: float | None = None
    prompt_fidelity_low: float | None = None
    prompt_fidelity_high: float | None = None
    train_steps: int | None = None
    kept_step: int | None = None
    build_s: float | None = None
    result: str = ""
    by_prompt: tuple[PromptShares, ...] = ()

    @property
    def fidelities(self) -> tuple[float, float] | None:
        """Subject fidelity and prompt fidelity; None unless both were measured."""
        if self.fidelity is None or self.prompt_fidelity is None:
            return None
        return self.fidelity, self.prompt_fidelity

    @property
    def failed(self) -> bool:
        """Whether it did not end well."""
        return self.status == "failed"

    @property
    def good(self) -> bool:
        """Whether it ended well and its verdict is good."""
        return not self.failed and self.verdict == "good"


def outcome_of(store: Store, member: Member, record: RunRecord) -> Outcome:
    """Return what came of a run that was begun."""
    found = _evidence(store, record)
    learned, follows = found.verdict.learned, found.verdict.follows
    return Outcome(
        name=member.name,
        subject=record.config.subject.name,
        overrides=" ".join(member.overrides),
        seed=record.config.seed,
        run_id=record.run_id,
        status="completed" if record.status == "completed" else "failed",
        verdict=record.verdict,
        reason=record.verdict_reason,
        fidelity=_share(learned),
        prompt_fidelity=_share(follows),
        class_drift=_share(found.verdict.drifted),
        wall_s=record.wall_s,
        built=sum(not entry.cached for entry in record.current() if entry.stage != "record"),
        error=record.error or "",
        fidelity_low=_end(learned, learned.low),
        fidelity_high=_end(learned, learned.high),
        prompt_fidelity_low=_end(follows, follows.low),
        prompt_fidelity_high=_end(follows, follows.high),
        train_steps=record.config.train.steps,
        kept_step=found.kept_step,
        build_s=found.build_s,
        result=found.result,
        by_prompt=found.by_prompt,
    )


def outcome_of_failure(store: Store, member: Member, record: RunRecord, error: Exception) -> Outcome:
    """Return what came of a run that was begun and ended with `error`.

    It failed also when its record says otherwise: the record is closed before the tables are written.
    """
    found = outcome_of(store, member, record)
    return replace(found, status="failed", error=found.error or _told(error))


def outcome_without_run(member: Member, error: Exception, wall_s: float) -> Outcome:
    """Return what came of a member that never became a run."""
    config = member.config if isinstance(member.config, RunConfig) else None
    return Outcome(
        name=member.name,
        subject=config.subject.name if config else member.name,
        overrides=" ".join(member.overrides),
        seed=config.seed if config else 0,
        run_id=None,
        status="failed",
        verdict="",
        reason="",
        fidelity=None,
        prompt_fidelity=None,
        class_drift=None,
        wall_s=wall_s,
        built=0,
        error=_told(error),
    )


def _evidence(store: Store, record: RunRecord) -> Evidence:
    try:
        return evidence_of(store, record)
    except UNREADABLE as error:
        # What happened to one member's figures costs the campaign neither that member nor the others.
        _log.warning("the figures of run %s cannot be read: %s", record.run_id, error)
        return Evidence.none(record.config.gate)


def _told(error: Exception) -> str:
    return redacted(f"{type(error).__name__}: {error}")


def _share(finding: Finding) -> float | None:
    return None if finding.grade == "unknown" else finding.share


def _end(finding: Finding, end: float) -> float | None:
    """Return an end of a finding's interval; None where it has none."""
    return None if finding.certain is None else end
