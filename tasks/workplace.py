"""Where a task works that may run in another process, on another host."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from moongate.artifacts.store import HOME_VARIABLE, Store
from moongate.errors import StoreError
from tasks.exhibits import is_watched, unwatched


@dataclass(frozen=True)
class Workplace:
    """Surroundings of the process that hands out tasks; every host has to see its folders, at the same paths.

    Attributes:
        folder: where relative paths begin.
        home: the store.
        is_watched: whether people can see in a user interface what is shown of the work.
    """

    folder: Path
    home: Path
    is_watched: bool = True

    @classmethod
    def here(cls) -> Self:
        """Return the workplace of this process."""
        return cls(Path.cwd(), Store.from_environment().root.resolve(), is_watched())

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Work there: it is a process that belongs to one task at a time, so its folder is the task's.

        Raises:
            StoreError: when this host does not see one of the folders.
        """
        for path in (self.folder, self.home):
            if not path.is_dir():
                raise _not_shared(path)
        before = Path.cwd(), os.environ.get(HOME_VARIABLE)
        os.chdir(self.folder)
        os.environ[HOME_VARIABLE] = str(self.home)
        try:
            with nullcontext() if self.is_watched else unwatched():
                yield
        finally:
            os.chdir(before[0])
            if before[1] is None:
                del os.environ[HOME_VARIABLE]
            else:
                os.environ[HOME_VARIABLE] = before[1]


def _not_shared(path: Path) -> StoreError:
    return StoreError(
        "a worker does not see a folder of the command",
        where=f"{path} on {os.uname().nodename}",
        why="there is no such folder on that host",
        fix="mount it there under the same path, or point MOONGATE_HOME at a folder that every host sees",
    )
