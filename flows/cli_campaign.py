"""The commands of many runs: a batch of subjects, a sweep of settings."""

from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_options import (
    Base,
    ClassNoun,
    DryRun,
    Engine,
    EngineAddress,
    EngineDevices,
    EngineKind,
    JsonLines,
    Preset,
    Quiet,
    Set,
    Subject,
)
from moongate.errors import MoongateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from moongate.campaign.members import Member
    from moongate.campaign.record import Campaign
    from moongate.config import RunConfig

DEGRADED = 3


def batch(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Every sub-folder of it is a subject.")
    ] = Path("datasets/subjects"),
    preset: Preset = None,
    set_: Set = None,
    base: Base = None,
    engine: Engine = EngineKind.local,
    engine_address: EngineAddress = None,
    engine_devices: EngineDevices = 0,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: JsonLines = False,
) -> None:
    """Personalize on every subject in a folder, and say how each went.

    A sub-folder holds the pictures of one subject and `subject.toml`, a preset with what is particular to it:
    at least its class noun. A subject that fails does not stop the others; the exit status is then 3, and 1
    when all failed. What the store holds already is not computed again. Without an engine it is one subject
    after the other; with one, as many at a time as there are workers.

    Example: moongate batch datasets/subjects --preset quick
    """
    from flows.engines.choice import engine_choice
    from flows.settings import Choices
    from moongate.campaign.members import subject_members

    overrides = list(set_ or ())
    chosen = engine_choice(engine.value, engine_address, engine_devices)
    config = Choices(preset=preset, base=base).resolve()
    if dry_run:
        _print_members(subject_members(folder, config, overrides))
        return

    def perform() -> Any:
        from flows.campaign import batch as flow

        return flow(str(folder), config, overrides, engine=chosen, return_state=True)

    _report(_performed(perform, quiet=quiet, as_json=as_json), quiet=quiet, as_json=as_json)


def sweep(
    grid: Annotated[
        list[str],
        typer.Option("--grid", metavar="KEY=A,B,...", help="A setting and its values. Repeatable."),
    ],
    random: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Draw N combinations instead of taking all.")
    ] = None,
    confirm_seed: Annotated[
        int | None,
        typer.Option(metavar="SEED", min=0, help="Seed that must confirm the recommendation; else the next."),
    ] = None,
    preset: Preset = None,
    set_: Set = None,
    subject: Subject = None,
    class_noun: ClassNoun = None,
    base: Base = None,
    engine: Engine = EngineKind.local,
    engine_address: EngineAddress = None,
    engine_devices: EngineDevices = 0,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: JsonLines = False,
) -> None:
    """Personalize on one subject with every combination of some settings, and recommend one of them.

    Class pictures, latents and whatever else does not depend on a varied setting is made once. The
    recommended setting is run again with another seed, which confirms it or does not. With an engine, as many
    settings are tried at a time as there are workers.

    Example: moongate sweep --grid train.steps=100,200,400 --grid train.learning_rate=5e-5,1e-4
    """
    from flows.engines.choice import engine_choice
    from flows.settings import Choices
    from moongate.campaign.grid import Axis, combinations
    from moongate.campaign.members import second_seed, setting_members

    chosen = engine_choice(engine.value, engine_address, engine_devices)
    config = Choices(preset, subject, class_noun, None, base, tuple(set_ or ())).resolve()
    settings = combinations([Axis.parse(axis) for axis in grid], random, config.seed)
    members = setting_members(config, settings)
    setting_members(config, settings, second_seed(config, confirm_seed))
    if dry_run:
        _print_members(members)
        return

    def perform() -> Any:
        from flows.campaign import sweep as flow

        return flow(grid, config, random, confirm_seed, engine=chosen, return_state=True)

    _report(_performed(perform, quiet=quiet, as_json=as_json), quiet=quiet, as_json=as_json)


def _performed(perform: Callable[[], Any], *, quiet: bool, as_json: bool) -> "Campaign":
    from flows.front_ends import front_end
    from flows.session import session
    from flows.stopping import stoppable

    closing = nullcontext() if quiet or as_json else _table_when_stopped()
    with stoppable(), closing, session(front_end(quiet=quiet, as_json=as_json)):
        # A campaign in which all runs failed is a failed state that carries the campaign all the same.
        outcome = perform().result(raise_on_failure=False)
    if isinstance(outcome, BaseException):
        raise outcome
    campaign: Campaign = outcome
    return campaign


@contextmanager
def _table_when_stopped() -> "Iterator[None]":
    """Print what a campaign came to when it is stopped within."""
    from flows.announcing import listening
    from flows.campaign_tables import print_campaign
    from flows.events import CampaignStarted, Event
    from flows.terminal import console
    from moongate.artifacts.store import Store
    from moongate.campaign.record import campaign_folder, load_campaign

    begun: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, CampaignStarted):
            begun.append(event.campaign_id)

    try:
        with listening(hear):
            yield
    except BaseException:
        root = Store.from_environment().root
        for campaign in filter(None, (load_campaign(root, campaign_id) for campaign_id in begun)):
            print_campaign(console(), campaign, campaign_folder(root, campaign.campaign_id))
        raise


def _report(campaign: "Campaign", *, quiet: bool, as_json: bool) -> None:
    from flows.campaign_tables import print_campaign
    from flows.terminal import console
    from moongate.artifacts.store import Store
    from moongate.campaign.record import campaign_folder

    folder = campaign_folder(Store.from_environment().root, campaign.campaign_id)
    if quiet and not as_json:
        for failed in campaign.failed:
            typer.echo(f"{failed.name}: {failed.error}", err=True)
        typer.echo(folder)
    elif not as_json:
        print_campaign(console(), campaign, folder)
    if campaign.failed:
        raise typer.Exit(1 if len(campaign.failed) == len(campaign.outcomes) else DEGRADED)


def _print_members(members: "Sequence[Member]") -> None:
    from flows.campaign_tables import member_table
    from flows.terminal import console
    from moongate.campaign.members import warning_of

    plans = [_planned(member.config) for member in members]
    console().print(member_table(members, plans))
    if warning := warning_of(members):
        console().print(warning, markup=False, highlight=False)
    if unusable := sum(isinstance(plan, MoongateError) for plan in plans):
        raise typer.Exit(1 if unusable == len(plans) else DEGRADED)


def _planned(config: "RunConfig | MoongateError") -> tuple[int, int] | MoongateError:
    """Return how many stage instances are cached, and how many there are; or what is wrong."""
    from flows.plan import plan

    if isinstance(config, MoongateError):
        return config
    try:
        planned = plan(config, "record")
    except MoongateError as error:
        return error
    return sum(stage.cached for stage in planned), len(planned)
