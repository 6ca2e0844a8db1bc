"""Write `docs/cli.md` from the command line itself, or check that it is fresh.

python -m flows.cli_reference            write it
python -m flows.cli_reference --check    exit with status 1 when it is stale
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import typer
from typer.core import TyperCommand, TyperGroup

from flows.cli import app
from moongate.overrides import preset_names

PAGE = Path("docs/cli.md")
WIDTH = 100
AnyCommand = TyperCommand | TyperGroup
HEADER = """# The `moongate` command

Written by `python -m flows.cli_reference`; do not edit.
"""


def reference() -> str:
    """Return the page: the help of the command and of each subcommand, and the presets."""
    root = typer.main.get_group(app)
    pages = [HEADER, *(_page(command, path) for command, path in _commands(root, "moongate"))]
    presets = "".join(f"- `{name}`\n" for name in preset_names())
    return "\n".join([*pages, f"## Presets\n\n{presets}"])


def main() -> None:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(reference(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != reference():
        sys.exit(f"{PAGE} is stale: python -m flows.cli_reference")


def _commands(command: AnyCommand, path: str) -> Iterator[tuple[AnyCommand, str]]:
    yield command, path
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from _commands(cast(AnyCommand, child), f"{path} {name}")


def _page(command: AnyCommand, path: str) -> str:
    context = typer.Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH)
    return f"## `{path}`\n\n```\n{command.get_help(context).rstrip()}\n```\n"


if __name__ == "__main__":
    main()
