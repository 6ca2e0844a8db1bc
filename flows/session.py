"""What surrounds a flow that the command line runs: an API, and a front end that shows what happens."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from flows.front_ends import FrontEnd
from flows.server import prefect_api, wait_until_healthy
from flows.services.slots import adopted_slots
from moongate.artifacts.room import require_room
from moongate.artifacts.store import Store

# What Prefect's database of a run takes with its journal. On a disk that is full to the last bytes the server
# would not start, and not say why.
DATABASE_BYTES = 8 * 2**20


@contextmanager
def session(front: FrontEnd) -> Iterator[None]:
    """Make it possible to import and call flows within; `front` shows what they do.

    Device slots are those that `moongate up` was told of, where this process's environment declares none.

    Raises:
        StoreError: when the store cannot be written, or has no room for the database of a private server.
        ConfigError: when the Prefect API does not answer.
    """
    store = Store.from_environment()
    store.require_writable()
    require_room(store.root, DATABASE_BYTES, "the records of a run")
    with adopted_slots(store.root), prefect_api(store.root) as api:
        with front.starting():
            # Takes as long as the private server does, so both at once.
            import tasks.policies  # noqa: F401 - the most of what flows import
            from tasks.exhibits import unwatched

            wait_until_healthy(api)

        with unwatched() if api.private else nullcontext(), front.showing():
            yield
