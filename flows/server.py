"""Which Prefect API a command talks to: the user's server, or a private one that lives as long as it does.

Prefect can start a temporary server of its own. It is not used: it announces itself on the terminal, writes
tracebacks there when it stops, is waited for instead of being started beside the imports, and two at a time
lock each other out of one SQLite file. The private server here says nothing (its log is a file), starts while
the parent imports Prefect, and has a database of its own.

Nothing here imports Prefect, because its settings are read when it is first imported.
"""

import fcntl
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from flows.blank_database import begin_with_blank
from flows.services.crew import HEARTBEAT_S, running_url
from moongate.errors import ConfigError, MoongateError

# A private server that dies refuses at once, so patience costs nothing: where no blank database was made, a
# first start migrates an empty one, which was seen to take minutes on a busy machine.
PRIVATE_TIMEOUT_S = 300
USERS_TIMEOUT_S = 30
FLUSH_TIMEOUT_S = 5

# A server takes a run whose heart does not beat for dead. A private one is asked by nobody, and the end of a
# flow waits for the heart's next second.
HEARTBEAT = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S)}
# Prefect's console handler is closed: the terminal shows progress, and its own handler shows warnings.
QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL", "DO_NOT_TRACK": "1"}
CORE_LOGGERS = {"PREFECT_LOGGING_EXTRA_LOGGERS": "moongate"}
# A private server has one client, no schedules and nobody who looks: what polls the database for the runs of
# other people is off, and what fills it for their eyes.
LEAN_SERVER = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}


@dataclass(frozen=True)
class Api:
    """A Prefect API. `private` says that it ends with this command and keeps no history worth looking at."""

    url: str
    private: bool


def configured_url(environment: Mapping[str, str]) -> str | None:
    """Return the API that the user chose: PREFECT_API_URL, or that of the active Prefect profile."""
    if url := environment.get("PREFECT_API_URL"):
        return url
    home = Path(environment.get("PREFECT_HOME") or Path.home() / ".prefect")
    try:
        profiles = tomllib.loads((home / "profiles.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    name = environment.get("PREFECT_PROFILE") or profiles.get("active", "")
    url = profiles.get("profiles", {}).get(name, {}).get("PREFECT_API_URL")
    return url or None


@contextmanager
def prefect_api(home: Path) -> Iterator[Api]:
    """Set this process up for a Prefect API, and start a private one under `home` when the user has none.

    The user's is the configured one, else that of `moongate up`.

    Call it before Prefect is imported. A private server is still starting when this yields: import what is
    needed meanwhile, then `wait_until_healthy`.

    Args:
        home: the folder of the records; a private server keeps its files in `home/prefect`.
    """
    _prefer(QUIET | CORE_LOGGERS)
    if url := configured_url(os.environ):
        _prefer(HEARTBEAT)
        yield Api(url, private=False)
        return
    if url := running_url(home.resolve()):
        _prefer(HEARTBEAT)
        with _chosen(url):
            yield Api(url, private=False)
        return
    prefect_home = Path(os.environ.setdefault("PREFECT_HOME", str(home.resolve() / "prefect")))
    with _private_server(prefect_home) as url, _chosen(url):
        yield Api(url, private=True)


def _prefer(settings: Mapping[str, str]) -> None:
    """Choose settings of Prefect that the user has not chosen."""
    for name, value in settings.items():
        os.environ.setdefault(name, value)


@contextmanager
def _chosen(url: str) -> Iterator[None]:
    os.environ["PREFECT_API_URL"] = url
    try:
        yield
    finally:
        del os.environ["PREFECT_API_URL"]


def wait_until_healthy(api: Api) -> None:
    """Return once the API answers.

    Raises:
        ConfigError: when it does not.
    """
    try:
        with urlopen(f"{api.url}/health", timeout=PRIVATE_TIMEOUT_S if api.private else USERS_TIMEOUT_S):
            return
    except HTTPError as error:
        if error.code in (401, 403):
            return
        reason = str(error)
    except (URLError, OSError) as error:
        reason = str(error)
    raise _unreachable(api, reason)


@contextmanager
def _private_server(home: Path) -> Iterator[str]:
    """Run a server on a free local port; its files are in `home`."""
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        slot, lock = stack.enter_context(_free_slot(home))
        log = stack.enter_context((home / f"{slot}.log").open("wb"))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        database = home / f"{slot}.db"
        begin_with_blank(database)
        environment = {
            **LEAN_SERVER,
            **os.environ,
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1",
            "PREFECT_API_URL": url,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.private_server", str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            # With the lock, because a server that is still migrating its database outlives a killed command.
            pass_fds=[listener.fileno(), lock.fileno()],
            # Ctrl-C is for the command alone, which still has states to report.
            start_new_session=True,
        )
        # From here the socket dies with the server: a dead one refuses instead of keeping us waiting.
        listener.close()
        try:
            yield url
        finally:
            _flush_reports()
            # A polite stop waits a second for open websockets, and there is nothing left to be polite about:
            # the run's own records are elsewhere, and SQLite survives this.
            process.kill()
            process.communicate()


def _flush_reports() -> None:
    """Send what Prefect's background threads still hold; without a server they would complain at exit."""
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        APILogWorker.drain_all(timeout=FLUSH_TIMEOUT_S)
        EventsWorker.drain_all(timeout=FLUSH_TIMEOUT_S)


@contextmanager
def _free_slot(home: Path) -> Iterator[tuple[str, IO[str]]]:
    """Hold the first database name that no living server uses, and give it with its lock."""
    number = 0
    while True:
        with (home / f"private-{number}.lock").open("w") as lock:
            if _locked(lock):
                yield f"private-{number}", lock
                return
        number += 1


def _locked(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unreachable(api: Api, reason: str) -> MoongateError:
    if api.private:
        log = Path(os.environ["PREFECT_HOME"]) / "private-*.log"
        return ConfigError(
            "the private Prefect server did not start",
            where=api.url,
            why=reason,
            fix=f"read {log}, or start a server with `prefect server start` and set PREFECT_API_URL",
        )
    return ConfigError(
        "the Prefect server does not answer",
        where=api.url,
        why=reason,
        fix="start it (moongate up, or prefect server start), or unset PREFECT_API_URL to run without one",
    )
