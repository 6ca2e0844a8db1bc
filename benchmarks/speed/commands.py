"""Commands as contenders, and a Prefect server for those that want one running."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.speed.racing import Done, Portion
from moongate.errors import ConfigError

_SERVER_TIMEOUT_S = 300
_STOP_TIMEOUT_S = 20
_POLL_S = 0.5


def command(words: Sequence[str], environment: Mapping[str, str], fresh: str | None = None) -> Portion:
    """Return what runs a command of this Python to its end.

    Args:
        words: after `python`.
        environment: laid over this process's own, less what says which Prefect server to use.
        fresh: name of a variable that points to a new, empty folder in every lap, which is then removed; or
            None.

    Raises:
        ConfigError: from the portion, when the command fails; its last words are shown.
    """

    def portion() -> Done:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            own = {fresh: folder} if fresh else {}
            _run(words, {**_inherited(), **environment, **own})
        # Of the largest child that has ended; it only ever grows, so it is that of the largest lap.
        kibibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return Done(1, peak_bytes=kibibytes * 1024)

    return portion


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """Run an ordinary Prefect server under `home`, and yield its API's URL.

    Raises:
        ConfigError: when it does not answer in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        **_inherited(),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    words = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            _wait(url, server)
            yield url
        finally:
            # The group, for the command starts the server as a process of its own.
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(timeout=_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _inherited() -> dict[str, str]:
    """Return this process's environment without a Prefect server of its user's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + _SERVER_TIMEOUT_S
    while monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{url}/health", timeout=5):
                return
        except (URLError, OSError):
            sleep(_POLL_S)
    raise ConfigError(
        "the Prefect server of the benchmark did not start",
        where=url,
        why=f"no answer within {_SERVER_TIMEOUT_S} s, or it ended",
        fix="read server.log in the benchmark's scratch folder, and start the benchmark again",
    )


def _run(words: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(
            "a measured command failed",
            where=" ".join(words),
            why=" | ".join(done.stderr.strip().splitlines()[-3:]),
            fix="run the command by itself and repair what it says",
        )
