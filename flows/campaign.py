"""Many runs in one flow: a subject each, or a setting each. One that fails costs no other."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from prefect import State, flow, runtime
from prefect.states import Completed, Failed

from flows.announcing import announce
from flows.engines.choice import EngineChoice
from flows.events import CampaignFinished, CampaignStarted, MemberFinished
from flows.members import PerformAll, performing
from flows.readers import outliving_readers
from flows.turns import turn_of_deployed
from moongate.artifacts.store import Store
from moongate.campaign.exhibits import of_campaign
from moongate.campaign.grid import Axis, combinations
from moongate.campaign.journal import Journal, keeping
from moongate.campaign.members import (
    Member,
    second_seed,
    setting_members,
    subject_members,
    warning_of,
)
from moongate.campaign.recommendation import confirmed, recommend
from moongate.campaign.record import Campaign, Kind, campaign_folder, draw_campaign
from moongate.config import GateConfig, RunConfig
from moongate.overrides import with_overrides
from tasks.exhibits import exhibit

_log = logging.getLogger("moongate.campaign")


@flow(name="batch", flow_run_name="batch of {folder}", persist_result=False)
def batch(
    folder: str = "datasets/subjects",
    config: RunConfig = RunConfig(),  # noqa: B008 - frozen, and the run form shows literal defaults only
    overrides: list[str] = [],  # noqa: B006 - never changed, and the run form shows literal defaults only
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> State[Campaign]:
    """Personalize on every subject in a folder.

    Args:
        folder: every sub-folder is a subject.
        config: the settings of all of them; a subject's own `subject.toml` is laid over these.
        overrides: settings such as `train.steps=10`, which win over a subject's own.
        engine: local: one subject after the other; dask, ray: side by side on workers.
    """
    store = Store.from_environment()
    with outliving_readers(), turn_of_deployed(store, "batch"):
        # Listed when its turn has come: what was added meanwhile belongs to it.
        members = subject_members(Path(folder), config, overrides)
        with performing(engine) as perform, _kept(store, "batch", members) as journal:
            _perform_all(journal, members, perform)
    return _closed(journal.campaign, store, config)


@flow(name="sweep", flow_run_name="sweep of {config.subject.name}", persist_result=False)
def sweep(
    axes: list[str],
    config: RunConfig = RunConfig(),  # noqa: B008
    random: int | None = None,
    confirm_seed: int | None = None,
    overrides: list[str] = [],  # noqa: B006
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> State[Campaign]:
    """Personalize on one subject with every combination of some settings, and recommend one of them.

    Args:
        axes: settings with their values, such as `train.steps=100,200,400`.
        config: the settings that are not varied.
        random: draw so many combinations instead of taking all.
        confirm_seed: run the recommended setting once more with this seed; none = the next one.
        overrides: settings such as `train.steps=10`, laid over `config`.
        engine: local: one setting after the other; dask, ray: side by side on workers.

    Raises:
        ConfigError: when an axis or a combination is not valid, or the second seed is the first.
    """
    config = with_overrides(config, overrides)
    settings = combinations([Axis.parse(axis) for axis in axes], random, config.seed)
    seed = second_seed(config, confirm_seed)
    # Both seeds' members at once: what is not valid in either is known before anything runs.
    members, second = setting_members(config, settings), setting_members(config, settings, seed)
    store = Store.from_environment()
    with outliving_readers(), performing(engine) as perform, _kept(store, "sweep", members) as journal:
        _perform_all(journal, members, perform)
        _recommend(journal, config.gate, second, perform)
    return _closed(journal.campaign, store, config)


@contextmanager
def _kept(store: Store, kind: Kind, members: Sequence[Member]) -> Iterator[Journal]:
    """Yield the journal of a campaign; announce that it begins, and when it is stopped that it ends."""
    campaign = Campaign(_new_id(kind), kind, (), state="running", members=len(members))
    if warning := warning_of(members):
        _log.warning("%s", warning)
    with keeping(store, campaign) as journal:
        names = tuple(member.name for member in members)
        announce(CampaignStarted(campaign_id=campaign.campaign_id, kind=kind, members=names))
        try:
            yield journal
        except BaseException:
            stopped = replace(journal.campaign, state="interrupted")
            announce(CampaignFinished.of(stopped, campaign_folder(store.root, campaign.campaign_id)))
            raise


def _perform_all(journal: Journal, members: Sequence[Member], perform: PerformAll) -> None:
    """Have the members performed; note and announce what comes of each at once, and leave them in order."""
    for outcome in perform(members):
        journal.add(outcome)
        announce(MemberFinished.of(journal.campaign.campaign_id, outcome))
    places = {member.name: place for place, member in enumerate(members)}
    in_order = sorted(journal.campaign.outcomes, key=lambda outcome: places[outcome.name])
    journal.campaign = replace(journal.campaign, outcomes=tuple(in_order))


def _recommend(journal: Journal, gate: GateConfig, second: Sequence[Member], perform: PerformAll) -> None:
    """Recommend a setting, and have a good one of `second` seed's members confirm it."""
    if (found := recommend(journal.campaign.outcomes, gate)) is None:
        return
    journal.recommend(found)
    if found.good:
        again = [one for one in second if one.name == found.outcome.name]
        _log.info("once more with another seed: %s", found.outcome.name)
        for outcome in perform(again):
            journal.recommend(confirmed(found, outcome))


def _closed(campaign: Campaign, store: Store, config: RunConfig) -> State[Campaign]:
    """Record the campaign and name its state for what happened."""
    draw_campaign(store, campaign, config.gate)
    folder = campaign_folder(store.root, campaign.campaign_id)
    exhibit(campaign.kind, of_campaign(campaign, folder))
    announce(CampaignFinished.of(campaign, folder))
    _log.info("%s  %s", campaign.summary, folder)
    if len(campaign.failed) == len(campaign.outcomes):
        return Failed(message=campaign.summary, data=campaign)
    name = "Degraded" if campaign.failed else "Completed"
    return Completed(name=name, message=campaign.summary, data=campaign)


def _new_id(kind: Kind) -> str:
    return f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{str(runtime.flow_run.id)[:4]}"
