"""Many runs in one flow: a subject each, or a setting each. One that fails costs no other."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from prefect import State, flow, runtime
from prefect.states import Completed, Failed

from flows.announcing import announce
from flows.events import CampaignFinished, CampaignStarted, MemberFinished
from flows.personalize import personalize
from moongate.artifacts.store import Store
from moongate.campaign.exhibits import of_campaign
from moongate.campaign.grid import Axis, combinations
from moongate.campaign.members import Member, setting_members, subject_members
from moongate.campaign.outcomes import Outcome, outcome_of, outcome_without_run
from moongate.campaign.recommendation import confirmed, recommend
from moongate.campaign.record import Campaign, Kind, write_campaign
from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.overrides import with_overrides
from moongate.runs import RunRecord, run_of
from tasks.exhibits import exhibit

_log = logging.getLogger("moongate.campaign")


@flow(name="batch", flow_run_name="batch of {folder}", persist_result=False)
def batch(
    folder: str = "datasets/subjects",
    config: RunConfig = RunConfig(),  # noqa: B008 - frozen, and the run form shows literal defaults only
    overrides: list[str] = [],  # noqa: B006 - never changed, and the run form shows literal defaults only
) -> State[Campaign]:
    """Personalize on every subject in a folder, one after the other.

    Args:
        folder: every sub-folder is a subject.
        config: the settings of all of them; a subject's own `subject.toml` is laid over these.
        overrides: settings such as `train.steps=10`, which win over a subject's own.
    """
    members = subject_members(Path(folder), config, overrides)
    store = Store.from_environment()
    campaign_id = _new_id("batch")
    outcomes = perform_members(members, store, "batch", campaign_id)
    return _closed(Campaign(campaign_id, "batch", outcomes), store, config)


@flow(name="sweep", flow_run_name="sweep of {config.subject.name}", persist_result=False)
def sweep(
    axes: list[str],
    config: RunConfig = RunConfig(),  # noqa: B008
    random: int | None = None,
    confirm_seed: int | None = None,
    overrides: list[str] = [],  # noqa: B006
) -> State[Campaign]:
    """Personalize on one subject with every combination of some settings, and recommend one of them.

    Args:
        axes: settings with their values, such as `train.steps=100,200,400`.
        config: the settings that are not varied.
        random: draw so many combinations instead of taking all.
        confirm_seed: run the recommended setting once more with this seed; none = the next one.
        overrides: settings such as `train.steps=10`, laid over `config`.

    Raises:
        ConfigError: when an axis or a combination is not valid, or the second seed is the first.
    """
    config = with_overrides(config, overrides)
    settings = combinations([Axis.parse(axis) for axis in axes], random, config.seed)
    seed = config.seed + 1 if confirm_seed is None else confirm_seed
    if seed == config.seed:
        raise ConfigError(
            "a seed cannot confirm itself",
            where=f"confirm_seed = {seed}",
            why="it is the seed of the sweep's own runs, which would be found in the store",
            fix="name another one, or none for the next",
        )
    # Both seeds' members at once: what is not valid in either is known before anything runs.
    members, second = setting_members(config, settings), setting_members(config, settings, seed)
    store, campaign_id = Store.from_environment(), _new_id("sweep")
    outcomes = perform_members(members, store, "sweep", campaign_id)
    recommendation = recommend(outcomes, config.gate)
    if recommendation is not None:
        (again,) = [one for one in second if one.name == recommendation.outcome.name]
        _log.info("once more with seed %d: %s", seed, again.name)
        recommendation = confirmed(recommendation, _performed(again, store))
    return _closed(Campaign(campaign_id, "sweep", outcomes, recommendation), store, config)


def perform_members(
    members: Sequence[Member], store: Store, kind: Kind, campaign_id: str
) -> tuple[Outcome, ...]:
    """Run each member as a flow of its own, and go on when one fails."""
    names = tuple(member.name for member in members)
    announce(CampaignStarted(campaign_id=campaign_id, kind=kind, members=names))
    outcomes = []
    for number, member in enumerate(members, start=1):
        _log.info("%d of %d  %s", number, len(members), member.name)
        outcomes.append(_performed(member, store))
        announce(MemberFinished.of(campaign_id, outcomes[-1]))
        if outcomes[-1].failed:
            _log.warning("%s failed: %s", member.name, outcomes[-1].error)
    return tuple(outcomes)


def _performed(member: Member, store: Store) -> Outcome:
    started, begun = perf_counter(), datetime.now(UTC)
    if not isinstance(member.config, RunConfig):
        return outcome_without_run(member, member.config, perf_counter() - started)
    state = personalize(member.config, return_state=True)
    try:
        return outcome_of(store, member, state.result())
    except Exception as error:  # noqa: BLE001 - whatever ended one run, the others go on
        record = _record_of(state, store, begun)
        if record is None:
            return outcome_without_run(member, error, perf_counter() - started)
        return outcome_of(store, member, record)


def _record_of(state: State[Any], store: Store, begun: datetime) -> RunRecord | None:
    """Return the record of a run that failed, or None when it never got one."""
    return run_of(store.root, str(state.state_details.flow_run_id), begun)


def _closed(campaign: Campaign, store: Store, config: RunConfig) -> State[Campaign]:
    """Record the campaign and name its state for what happened."""
    folder = write_campaign(store, campaign, config.gate)
    exhibit(campaign.kind, of_campaign(campaign, folder))
    announce(CampaignFinished.of(campaign, folder))
    _log.info("%s  %s", campaign.summary, folder)
    if len(campaign.failed) == len(campaign.outcomes):
        return Failed(message=campaign.summary, data=campaign)
    name = "Degraded" if campaign.failed else "Completed"
    return Completed(name=name, message=campaign.summary, data=campaign)


def _new_id(kind: Kind) -> str:
    return f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{str(runtime.flow_run.id)[:4]}"
