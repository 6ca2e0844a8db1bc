"""One background process: started once, known by a lock that it holds itself, ended with all it has started.

The process inherits an open lock file and never closes it. So it runs exactly as long as the lock is held; a
stale record or a recycled process id cannot be taken for it, and it does not matter who started it or whether
that one still lives. What it starts in turn (a worker's flow runs) carries a mark in its environment, and is
found by it even when the process in between is gone.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from moongate.artifacts.holding import Holder, holder_of, open_lock, try_lock, write_holder
from moongate.errors import ConfigError

MARK = "MOONGATE_SERVICE"
POLL_S = 0.1


@dataclass(frozen=True)
class Service:
    """What is to run.

    Attributes:
        name: tells it apart from the others in one folder.
        purpose: what it does, for people.
        command: program and arguments.
        environment: variables beside those of the process that starts it.
    """

    name: str
    purpose: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


class Place:
    """The folder of a set of services: their locks and logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def lock(self, name: str) -> Path:
        """Return the file whose lock a running service holds."""
        return self.folder / f"{name}.lock"

    def log(self, name: str) -> Path:
        """Return the file that a service writes to."""
        return self.folder / f"{name}.log"

    def names(self) -> list[str]:
        """Return the names of all services that were ever started here."""
        return sorted(path.stem for path in self.folder.glob("*.lock"))

    def running(self, name: str) -> Holder | None:
        """Return the process of a service; None when it does not run."""
        return holder_of(self.lock(name))

    def start(self, service: Service, working_folder: Path) -> bool:
        """Start a service in the background, and tell whether that was needed."""
        with open_lock(self.lock(service.name)) as lock:
            if not try_lock(lock):
                return False
            # Until the new process id is known: the file still names the process of an earlier start.
            write_holder(lock, 0, service.purpose)
            with self.log(service.name).open("ab") as log:
                process = subprocess.Popen(
                    service.command,
                    cwd=working_folder,
                    env={**os.environ, **dict(service.environment), MARK: self._mark(service.name)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[lock.fileno()],
                    # Ctrl-C at the command that starts it is not meant for it.
                    start_new_session=True,
                    preexec_fn=_listen_to_signals,
                )
            write_holder(lock, process.pid, service.purpose)
            return True

    def processes(self, name: str) -> list[psutil.Process]:
        """Return every living process of a service, what it has started included."""
        mark = self._mark(name)
        return [process for process in psutil.process_iter() if _marked(process) == mark]

    def end(self, name: str, patience_s: float) -> bool:
        """End a service and what it has started, and tell whether there was anything to end.

        The service itself is asked first, so that it starts nothing new; then the rest.

        Args:
            name: of the service.
            patience_s: how long each of them may take after SIGTERM, before SIGKILL.
        """
        holder = self.running(name)
        # By its mark too: the lock tells that a process holds it, and the file alone which one.
        first = [process for process in self.processes(name) if holder and process.pid == holder.pid]
        _end(first, patience_s)
        rest = self.processes(name)
        _end(rest, patience_s)
        return bool(first or rest)

    def _mark(self, name: str) -> str:
        return f"{self.folder}:{name}"


def wait_for(what: Callable[[], bool], service: Service, place: Place, timeout_s: float) -> None:
    """Return once `what` is true.

    Raises:
        ConfigError: when the service has ended before, or it takes too long.
    """
    deadline = time.monotonic() + timeout_s
    while not what():
        ended = place.running(service.name) is None
        if ended or time.monotonic() > deadline:
            raise ConfigError(
                f"{service.purpose} did not start",
                where=str(place.log(service.name)),
                why="its process has ended" if ended else f"it was not ready after {timeout_s:.0f} s",
                fix="read the end of that file, then the same command again",
            )
        time.sleep(POLL_S)


def _end(processes: Sequence[psutil.Process], patience_s: float) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=patience_s)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=patience_s)


def _marked(process: psutil.Process) -> str | None:
    try:
        environment: Mapping[str, str] = process.environ()
    except (psutil.Error, OSError):
        return None
    return environment.get(MARK)


def _listen_to_signals() -> None:
    """Undo what a shell script's `&` does to the signals of a background command."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
