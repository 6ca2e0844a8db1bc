"""What surrounds a flow that the command line runs: an API, progress bars, and log lines on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from flows.server import prefect_api, wait_until_healthy
from flows.terminal import Terminal, console
from moongate.artifacts.room import require_room
from moongate.artifacts.store import Store
from tasks.progress import reporting_to

# What Prefect's database of a run takes with its journal. On a disk that is full to the last bytes the server
# would not start, and not say why.
DATABASE_BYTES = 8 * 2**20


@contextmanager
def session(level: int) -> Iterator[None]:
    """Make it possible to import and call flows within; log messages from `level` on are shown.

    Raises:
        StoreError: when the store cannot be written, or has no room for the database of a private server.
        ConfigError: when the Prefect API does not answer.
    """
    screen, store = console(), Store.from_environment()
    store.require_writable()
    require_room(store.root, DATABASE_BYTES, "the records of a run")
    with prefect_api(store.root) as api:
        with screen.status("Starting"):
            import prefect  # noqa: F401 - takes as long as the private server does, so both at once

            wait_until_healthy(api)
        terminal = Terminal(screen)
        with reporting_to(terminal), terminal.live(level):
            yield
