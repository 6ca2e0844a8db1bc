"""A Postgres of its own for a server, to be stopped and started again."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.operations.ports import free_port

# Where Debian keeps those programs of Postgres that are not for everybody's PATH.
_DEBIAN = Path("/usr/lib/postgresql")
_USER, _NAME = "prefect", "postgres"
# Postgres refuses to be root's.
_NOBODY = 65534


@dataclass(frozen=True)
class Database:
    """A Postgres that listens on this machine only.

    Attributes:
        programs: the folder of `initdb` and `pg_ctl`.
        folder: of its data, its socket and its log.
        port: where it listens.
    """

    programs: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        """What a Prefect server is told."""
        return f"postgresql+asyncpg://{_USER}@127.0.0.1:{self.port}/{_NAME}"

    def make(self) -> None:
        """Lay the files."""
        self._do("initdb", "--pgdata", str(self.folder / "data"), "--username", _USER, "--auth", "trust")

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        self._control("start", "--wait", "--log", str(self.folder / "log"), "--options", options)

    def stop(self) -> None:
        """Break its connections off and end it, as when its machine is restarted."""
        self._control("stop", "--wait", "--mode", "fast")

    def _control(self, *words: str) -> None:
        self._do("pg_ctl", "--pgdata", str(self.folder / "data"), *words)

    def _do(self, program: str, *words: str) -> None:
        somebody = _NOBODY if os.geteuid() == 0 else None
        # A pipe would stay open as long as the database runs.
        with (self.folder / "commands").open("ab") as said:
            command = [str(self.programs / program), *words]
            groups: list[int] | None = None if somebody is None else []
            subprocess.run(
                command,
                check=True,
                cwd=self.folder,
                stdout=said,
                stderr=said,
                user=somebody,
                group=somebody,
                extra_groups=groups,
            )


def programs() -> Path | None:
    """Return the folder of Postgres' own programs; None where it is not installed."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    return next((path.parent for path in sorted(_DEBIAN.glob("*/bin/pg_ctl"), reverse=True)), None)


@contextmanager
def database(where: Path) -> Iterator[Database]:
    """Yield a new database that runs, of the programs in `where`; end it afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        own = Database(where, folder, free_port())
        own.make()
        own.start()
        try:
            yield own
        finally:
            own.stop()
