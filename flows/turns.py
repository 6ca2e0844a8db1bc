"""Work that is done by one process of a store at a time; another one waits for its turn, and says for whom.

The lock dies with its process and asks no server. A concurrency limit of a deployment would: Prefect ends a
run whose lease could not be renewed, and so every run while the server is away for some minutes.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from prefect import runtime
from prefect.context import FlowRunContext

from moongate import interruption
from moongate.artifacts.holding import held_if_free, holder_of
from moongate.artifacts.store import Store

POLL_S = 1.0
REMIND_S = 60.0

_log = logging.getLogger("moongate.turns")


@contextmanager
def turn(store: Store, work: str) -> Iterator[None]:
    """Wait until no other process does this work in this store, and keep others from it within.

    Args:
        store: whose folder of locks is used.
        work: a word; what has the same one takes turns.

    Raises:
        StopError: when the process was asked to stop while it waited.
    """
    lock = store.root / "locks" / f"{work}.turn"
    purpose = f"{runtime.flow_run.name or work} on {os.uname().nodename}"
    said_at: float | None = None
    while True:
        with held_if_free(lock, purpose) as held:
            if held:
                if said_at is not None:
                    _log.info("%s has its turn", purpose)
                yield
                return
        interruption.heed()
        if said_at is None or time.monotonic() - said_at > REMIND_S:
            said_at = time.monotonic()
            _log.info("%s waits for its turn: at work is %s", purpose, holder_of(lock) or "nobody any more")
        time.sleep(POLL_S)


def turn_of_deployed(store: Store, work: str) -> AbstractContextManager[None]:
    """Return a turn for a run of a deployment, and nothing to wait for where a person has given a command.

    A schedule would do twice what a night has not finished; who gives a command knows what else is going on,
    and runs share a store safely.
    """
    context = FlowRunContext.get()
    # Prefect's runtime.deployment would ask the server.
    deployed = context and context.flow_run and context.flow_run.deployment_id
    return turn(store, work) if deployed else nullcontext()
