"""Many runs in one flow: a subject each, or a setting each. One that fails costs no other."""

import logging
from collections.abc import Sequence
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
from moongate.campaign.members import Member, setting_members, subject_members
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import confirmed, recommend
from moongate.campaign.record import Campaign, Kind, write_campaign
from moongate.config import RunConfig
from moongate.errors import ConfigError
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
    members = subject_members(Path(folder), config, overrides)
    campaign_id, store = _new_id("batch"), Store.from_environment()
    with outliving_readers(), turn_of_deployed(store, "batch"), performing(engine) as perform:
        outcomes = _announced("batch", campaign_id, members, perform)
    return _closed(Campaign(campaign_id, "batch", outcomes), store, config)


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
    campaign_id = _new_id("sweep")
    with outliving_readers(), performing(engine) as perform:
        outcomes = _announced("sweep", campaign_id, members, perform)
        recommendation = recommend(outcomes, config.gate)
        if recommendation is not None:
            again = [one for one in second if one.name == recommendation.outcome.name]
            _log.info("once more with seed %d: %s", seed, again[0].name)
            recommendation = confirmed(recommendation, *perform(again))
    campaign = Campaign(campaign_id, "sweep", outcomes, recommendation)
    return _closed(campaign, Store.from_environment(), config)


def _announced(
    kind: Kind, campaign_id: str, members: Sequence[Member], perform: PerformAll
) -> tuple[Outcome, ...]:
    """Have the members performed, and announce what comes of each."""
    names = tuple(member.name for member in members)
    announce(CampaignStarted(campaign_id=campaign_id, kind=kind, members=names))
    outcomes = []
    for outcome in perform(members):
        announce(MemberFinished.of(campaign_id, outcome))
        outcomes.append(outcome)
    return tuple(outcomes)


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
