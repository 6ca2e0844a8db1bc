"""Prefect's database as it is before the first run, migrated once when moongate is set up.

    python -m flows.blank_database

Prefect brings an empty database up to date with every migration that it ever had, which takes 7 s of two slow
cores. A server whose database does not exist yet begins with a copy of this one instead.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory


def blank_database() -> Path:
    """Return where the migrated database of the installed Prefect lies, or would lie."""
    return Path(sys.prefix) / "share" / "moongate" / f"prefect-{version('prefect')}.db"


def begin_with_blank(database: Path) -> None:
    """Put a copy of the blank database at `database`, unless one is there.

    Without a blank one that can be read Prefect migrates an empty one, and the server is only later up. Its
    caller is the only one that creates `database`.
    """
    if database.exists():
        return
    partial = database.with_name(f"{database.name}.partial")
    with suppress(OSError):
        shutil.copyfile(blank_database(), partial)
        partial.replace(database)
    partial.unlink(missing_ok=True)


def make_blank(target: Path) -> None:
    """Let Prefect migrate an empty database, and keep it at `target`, whole or not at all.

    Raises:
        subprocess.CalledProcessError: when Prefect could not; what it said went to the terminal.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        migrated, whole = Path(folder) / "migrated.db", Path(folder) / "whole.db"
        subprocess.run(
            [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
            env=_alone(Path(folder), migrated),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        # One file, whatever Prefect left in the journal beside it.
        with closing(sqlite3.connect(migrated)) as connection:
            connection.execute("VACUUM INTO ?", (str(whole),))
        whole.replace(target)


def _alone(home: Path, database: Path) -> dict[str, str]:
    """Return an environment without the user's Prefect."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    connection = f"sqlite+aiosqlite:///{database}"
    return mine | {"PREFECT_HOME": str(home), "PREFECT_SERVER_DATABASE_CONNECTION_URL": connection}


if __name__ == "__main__":
    make_blank(blank_database())
