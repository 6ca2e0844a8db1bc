"""What surrounds a flow that the command line runs: an API, progress bars, and log lines on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from flows.server import prefect_api, wait_until_healthy
from flows.terminal import Terminal, console
from moongate.artifacts.store import Store
from tasks.progress import reporting_to


@contextmanager
def session(level: int) -> Iterator[None]:
    """Make it possible to import and call flows within; log messages from `level` on are shown.

    Raises:
        StoreError: when the store cannot be written.
        ConfigError: when the Prefect API does not answer.
    """
    screen, store = console(), Store.from_environment()
    store.require_writable()
    with prefect_api(store.root) as api:
        with screen.status("Starting"):
            import prefect  # noqa: F401 - takes as long as the private server does, so both at once

            wait_until_healthy(api)
        from tasks.exhibits import unwatched

        terminal = Terminal(screen)
        with unwatched() if api.private else nullcontext(), reporting_to(terminal), terminal.live(level):
            yield
