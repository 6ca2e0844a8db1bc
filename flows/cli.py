"""The `moongate` command.

Only typer is imported here. What a command needs is imported when it runs: so help is instant, and Prefect
is imported after its settings are known.
"""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import moongate
from flows import cli_campaign as campaign
from flows import cli_history as history
from flows import cli_services as services
from flows.cli_options import (
    AllowRejects,
    Base,
    ClassNoun,
    DryRun,
    Engine,
    EngineAddress,
    EngineDevices,
    EngineKind,
    Identifier,
    Json,
    JsonLines,
    Preset,
    Quiet,
    RunId,
    Set,
    Subject,
    Verb,
    WhichRun,
)
from moongate.errors import MoongateError

if TYPE_CHECKING:
    from flows.engines.choice import EngineChoice
    from flows.repeats import Repeat
    from moongate.config import RunConfig
    from moongate.runs import Origin, RunRecord

app = typer.Typer(
    name="moongate",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - the callback's signature is typer's
    if wanted:
        typer.echo(f"moongate {moongate.__version__}")
        raise typer.Exit


@app.callback()
def moongate_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Teach a text-to-image diffusion model one thing from a few pictures, and measure whether it learned it.

    Results go to $MOONGATE_HOME, or to ./store. With PREFECT_API_URL set, that server shows the runs.

    What works can be stopped: at SIGINT (Ctrl-C) or SIGTERM the step in hand is finished and kept, if that
    takes less than five seconds, and the command ends within ten with status 130 or 143; a second signal
    breaks off at once. After that, as
    after a crash, the same command goes on from what is done. An error ends with status 1.
    """


@app.command()
def run(
    preset: Preset = None,
    set_: Set = None,
    subject: Subject = None,
    class_noun: ClassNoun = None,
    identifier: Identifier = None,
    base: Base = None,
    allow_rejects: AllowRejects = False,
    engine: Engine = EngineKind.local,
    engine_address: EngineAddress = None,
    engine_devices: EngineDevices = 0,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: JsonLines = False,
) -> None:
    """Run the whole chain for one subject, and end in a report.

    What the store holds already is not computed again. With an engine, class pictures, inversion, sampling
    and evaluation are divided among its workers, which see the store under the same path; the results are
    the same.

    Example: moongate run --preset quick --set train.steps=20
    """
    from flows.engines.choice import engine_choice
    from flows.settings import Choices

    chosen = engine_choice(engine.value, engine_address, engine_devices)
    overrides = _overrides(set_, allow_rejects=allow_rejects)
    config = Choices(preset, subject, class_noun, identifier, base, overrides).resolve()
    if dry_run:
        _print_plan(config, Verb.record)
    else:
        _perform(config, Verb.record, engine=chosen, quiet=quiet, as_json=as_json)


@app.command()
def stage(
    verb: Annotated[Verb, typer.Argument(help="The one stage to do again.")],
    run_id: RunId = "last",
    set_: Set = None,
    allow_rejects: AllowRejects = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: JsonLines = False,
) -> None:
    """Do one stage of a run again and stop: short for rerun RUN --stage VERB --only.

    Example: moongate stage sample --run last --set sample.guidance=5
    """
    from flows.repeats import repeat_of
    from moongate.artifacts.store import Store

    root, changes = Store.from_environment().root, _overrides(set_, allow_rejects=allow_rejects)
    repeat = repeat_of(root, run_id, verb.value, changes, only=True, force=False)
    _repeat(repeat, dry_run=dry_run, quiet=quiet, as_json=as_json)


@app.command()
def rerun(
    run_id: WhichRun,
    verb: Annotated[Verb, typer.Option("--stage", help="The stage to start from.")],
    set_: Set = None,
    only: Annotated[bool, typer.Option("--only", help="Stop after that stage.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Build that stage a second time, and say whether the bytes are the same."
        ),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(metavar="DEPLOYMENT", help="Let a worker do it, by this deployment, such as sample."),
    ] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: JsonLines = False,
) -> None:
    """Repeat a run from one of its stages on, with settings changed. It becomes a run of its own.

    What comes before that stage is reused as the run had it: if a setting or a file has changed that it
    depends on, nothing is done. The stage and what depends on it are built again where something changed.
    With --force the stored artifact stays, and its second build is only compared with it.

    With --on the server of `moongate up` (or of PREFECT_API_URL) hands it to a worker, and this command
    follows; Ctrl-C then ends the following, not the run. The worker must write to the same store.

    Example: moongate rerun last --stage sample --set sample.guidance=5
    """
    from flows.repeats import repeat_of
    from moongate.artifacts.store import Store

    root, changes = Store.from_environment().root, tuple(set_ or ())
    repeat = repeat_of(root, run_id, verb.value, changes, only=only, force=force)
    if on is None or dry_run:
        _repeat(repeat, dry_run=dry_run, quiet=quiet, as_json=as_json)
        return
    from flows.cli_remote import print_ended, rerun_on

    record = rerun_on(on, repeat, quiet=quiet or as_json)
    if as_json:
        print_ended(record)
    else:
        _report(record, quiet=quiet)


for command in (
    campaign.batch,
    campaign.sweep,
    history.runs,
    history.report,
    history.show,
    history.why,
    history.diff,
    history.gc,
    services.up,
    services.status,
    services.down,
):
    app.command()(command)


@app.command()
def config(
    preset: Preset = None,
    set_: Set = None,
    subject: Subject = None,
    class_noun: ClassNoun = None,
    identifier: Identifier = None,
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Print every setting with its meaning, as a TOML file that --preset reads back.

    Example: moongate config --preset quick > mine.toml
    """
    from flows.settings import Choices, as_toml

    settings = Choices(preset, subject, class_noun, identifier, base, tuple(set_ or ())).resolve()
    typer.echo(settings.model_dump_json(indent=2) if as_json else as_toml(settings).rstrip())


@app.command()
def pretrain(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the finished weights go.")],
    set_: Set = None,
    quiet: Quiet = False,
) -> None:
    """Train the bundled base model and its judges from nothing.

    It takes hours on a CPU. After a break the same command goes on where it was.

    Example: moongate pretrain --output toybox-weights --set denoiser.steps=20000
    """
    from flows.front_ends import front_end
    from flows.session import session
    from flows.settings import pretrain_config
    from flows.stopping import stoppable

    settings = pretrain_config(tuple(set_ or ()))
    with stoppable(), session(front_end(quiet=quiet, as_json=False)):
        from flows.pretrain import pretrain as flow

        flow(settings, output)
    typer.echo(output)


def main() -> None:
    """Run the command, and turn the project's own errors into a message and exit status 1."""
    try:
        app()
    except MoongateError as error:
        from flows.complaints import print_error

        print_error(error)
        sys.exit(1)
    finally:
        # At its end Python looks once more for garbage in all that Prefect and torch brought along. It takes
        # most of a second, and all of it goes with the process anyway.
        gc.freeze()


def _overrides(set_: list[str] | None, *, allow_rejects: bool) -> tuple[str, ...]:
    return (*(set_ or ()), *(["ingest.allow_rejects=true"] if allow_rejects else []))


def _repeat(repeat: "Repeat", *, dry_run: bool, quiet: bool, as_json: bool) -> None:
    until = Verb(repeat.until)
    if dry_run:
        _print_plan(repeat.config, until, repeat.origin)
    else:
        _perform(repeat.config, until, repeat.origin, quiet=quiet, as_json=as_json)


def _perform(
    config: "RunConfig",
    until: Verb,
    origin: "Origin | None" = None,
    *,
    engine: "EngineChoice | None" = None,
    quiet: bool,
    as_json: bool,
) -> None:
    from flows.engines.choice import EngineChoice
    from flows.front_ends import front_end
    from flows.session import session
    from flows.stopping import stoppable
    from moongate.runs import Origin

    with stoppable(), session(front_end(quiet=quiet, as_json=as_json)):
        from flows.personalize import personalize

        record = personalize(config, until.value, origin or Origin(), engine=engine or EngineChoice())
    if not as_json:
        _report(record, quiet=quiet)


def _report(record: "RunRecord", *, quiet: bool) -> None:
    from flows.terminal import console, print_outcome, report_path
    from moongate.artifacts.store import Store

    store = Store.from_environment()
    if quiet:
        typer.echo(report_path(store, record) or record.run_id)
    else:
        print_outcome(console(), store, record)


def _print_plan(config: "RunConfig", until: Verb, origin: "Origin | None" = None) -> None:
    from flows.plan import plan
    from flows.settings import changed_settings
    from flows.terminal import console, plan_table
    from moongate.runs import Origin

    typer.echo(changed_settings(config), nl=False)
    console().print(plan_table(plan(config, until.value, origin or Origin())))


if __name__ == "__main__":
    main()
