"""The commands that look back: what runs did and why, how they differ, and what none of them needs."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from flows.cli_options import Json, Verb, WhichRun
from moongate.errors import ConfigError


def runs(as_json: Json = False) -> None:
    """List the runs, newest first.

    Example: moongate runs
    """
    from moongate.artifacts.store import Store
    from moongate.runs import list_runs

    found = list_runs(Store.from_environment().root)
    if as_json:
        typer.echo(json.dumps([record.model_dump(mode="json") for record in found], indent=2))
        return
    from flows.terminal import console, run_table

    console().print(run_table(found) if found else "There are no runs yet: moongate run")


def report(
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Build one page over all runs and print its path: index.html in $MOONGATE_HOME, or in ./store.

    A table with pictures, curves, figures and verdicts, to sort, to filter and to compare runs side by side;
    also failed and interrupted runs, batches, sweeps, and what repeats what. It opens from disk, without a
    server. Each run's own report is linked. The same command brings the page up to date.

    Example: moongate report --open
    """
    from moongate.artifacts.store import Store
    from moongate.index.site import write_index

    page = write_index(Store.from_environment()).resolve()
    typer.echo(page)
    if open_ and typer.launch(page.as_uri()) != 0:
        typer.echo("No browser could be started here; open that file yourself.", err=True)


def show(run_id: WhichRun = "last", as_json: Json = False) -> None:
    """Show what a run did: its stages, artifacts, metrics and report.

    Example: moongate show last
    """
    from moongate.artifacts.store import Store
    from moongate.runs import load_run

    store = Store.from_environment()
    record = load_run(store.root, run_id)
    if as_json:
        typer.echo(record.model_dump_json(indent=2))
        return
    from flows.terminal import console, print_run

    print_run(console(), store, record)


def why(
    run_id: WhichRun,
    verb: Annotated[Verb | None, typer.Argument(help="The stage to explain.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Explain every stage, as a table.")] = False,
    as_json: Json = False,
) -> None:
    """Explain why a stage was built or reused in a run.

    One line for each instance of the stage. What was built is compared with the nearest earlier artifact.

    Example: moongate why last sample
    """
    from moongate.artifacts.store import Store
    from moongate.history.reasons import explain
    from moongate.runs import load_run

    if (verb is None) != every:
        raise ConfigError(
            "it is not clear which stage to explain",
            where="moongate why",
            why="a stage and --all were both given" if every else "neither a stage nor --all was given",
            fix="name one stage, or say --all",
        )
    store = Store.from_environment()
    reasons = explain(store, load_run(store.root, run_id), verb.value if verb else None)
    if as_json:
        typer.echo(json.dumps([asdict(reason) for reason in reasons], indent=2))
    elif every:
        from flows.history_tables import reason_table
        from flows.terminal import console

        console().print(reason_table(reasons))
    else:
        for reason in reasons:
            typer.echo(reason)


def diff(
    first_id: Annotated[str, typer.Argument(metavar="FIRST", help="Id of a run, or a part of it.")],
    second_id: Annotated[str, typer.Argument(metavar="SECOND", help="Another one, or `last`.")] = "last",
    as_json: Json = False,
) -> None:
    """Show what differs between two runs: settings, inputs and metrics.

    Example: moongate diff bolt_duck-a1b2 last
    """
    from moongate.artifacts.store import Store
    from moongate.history.comparison import compare_runs
    from moongate.runs import load_run

    store = Store.from_environment()
    compared = compare_runs(store, *(load_run(store.root, wanted) for wanted in (first_id, second_id)))
    if as_json:
        typer.echo(json.dumps(asdict(compared), indent=2))
        return
    from flows.history_tables import print_comparison
    from flows.terminal import console

    print_comparison(console(), compared)


def gc(
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove it. Without this it is only listed.")
    ] = False,
    keep_runs: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Also drop all runs but the newest N.")
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            metavar="HOURS", min=0.0, help="Keep what was used or written in the last so many hours."
        ),
    ] = 24.0,
    as_json: Json = False,
) -> None:
    """List what no kept run needs, and with --delete remove it.

    That is artifacts, leftovers of killed builds and old checkpoints. Nothing goes that is in use or was used
    within the grace period. Checkpoints of trainings that did not finish are kept seven times as long.

    Example: moongate gc --keep-runs 20
    """
    from moongate.artifacts.store import Store
    from moongate.history.garbage import Policy, find_garbage, remove

    store, policy = Store.from_environment(), Policy(timedelta(hours=grace), keep_runs)
    found = find_garbage(store, policy)
    if delete:
        found = tuple(remove(store, item) if item.state == "removable" else item for item in found)
    from flows.history_tables import garbage_rows, print_garbage
    from flows.terminal import console

    if as_json:
        typer.echo(json.dumps(garbage_rows(found), indent=2))
    else:
        print_garbage(console(), found, delete)
