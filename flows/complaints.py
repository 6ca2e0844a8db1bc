"""How an error ends a command: a message, and for files that cannot be used a table of what to do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from moongate.errors import InputError, MoongateError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from moongate.imagefolder.account import Account


def print_error(error: MoongateError) -> None:
    """Print an error to standard error."""
    # Imported late: most errors are about an option and should not wait for the readers of pictures.
    from flows.intake import UnusableFoldersError

    if isinstance(error, UnusableFoldersError):
        from flows.terminal import console

        _print_folders(console(), error.faults)
    else:
        typer.echo(f"error: {error}", err=True)


def _print_folders(screen: "Console", faults: Mapping[str, InputError]) -> None:
    from moongate.imagefolder.account import RejectedInputsError

    for role, fault in faults.items():
        screen.print(f"error: {fault.what}", style="red", markup=False, highlight=False, soft_wrap=True)
        screen.print(f"  where: {fault.where} ({role})", markup=False, highlight=False, soft_wrap=True)
        if isinstance(fault, RejectedInputsError):
            screen.print(rejects_table(fault.account), "")
        else:
            screen.print(f"  why: {fault.why}", markup=False, highlight=False, soft_wrap=True)
        screen.print(f"  next: {fault.fix}", "", markup=False, highlight=False, soft_wrap=True)


def rejects_table(account: "Account") -> "Table":
    """Return what was rejected, grouped by what to do about it; long groups say how many are left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table("what to do", "file", "reason", box=None, pad_edge=True)
    for group in account.groups():
        hints = [Text(group.hint, style="bold"), *[Text()] * (len(group.shown) - 1)]
        for hint, (place, reason) in zip(hints, group.lines(), strict=True):
            # As Text, because brackets in a stranger's file name are no markup.
            table.add_row(hint, Text(place, overflow="fold"), Text(reason, overflow="fold"))
        if group.left_out:
            table.add_row("", Text(f"and {group.left_out:,} more", style="dim"), "")
        table.add_section()
    return table
