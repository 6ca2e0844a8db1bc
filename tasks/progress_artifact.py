"""How far a task run is, as a Prefect artifact of it: a percentage in the user interface."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.utilities.context import get_task_and_flow_run_ids

from moongate.errors import ConfigError

UPDATE_EVERY_S = 1.0
EVERY_VARIABLE = "MOONGATE_PROGRESS_EVERY_S"
LAST_WORD_S = 2.0

_log = logging.getLogger(__name__)


def interval_of(environment: Mapping[str, str]) -> float:
    """Return how many seconds lie between two updates: `UPDATE_EVERY_S`, or more where so many runs go on at
    once that their progress would keep a server busy.

    Raises:
        ConfigError: when the variable is no number, or less.
    """
    word = environment.get(EVERY_VARIABLE) or str(UPDATE_EVERY_S)
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not UPDATE_EVERY_S <= seconds < float("inf"):
        raise ConfigError(
            "how often progress is shown cannot be read",
            where=EVERY_VARIABLE,
            why=f"it is {word!r}",
            fix=f"give seconds, {UPDATE_EVERY_S:g} or more, such as {EVERY_VARIABLE}=30",
        )
    return seconds


class ProgressArtifact:
    """Progress as an artifact, sent at most once in so many seconds, and not at all before that.

    A thread of its own sends it: work waits for no server, and a server that does not answer is tried again.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield an `advance(n)` that only counts; the newest count is what is sent."""
        counted, over = _Counted(description, total), Event()
        # The copied context says which task run it is.
        sender = Thread(target=copy_context().run, args=(_send, counted, over, self._every_s), daemon=True)
        sender.start()
        try:
            yield counted.advance
        finally:
            over.set()
            sender.join(LAST_WORD_S)


class _Counted:
    """A count that one thread raises and another one reads."""

    def __init__(self, description: str, total: int) -> None:
        self.description = description
        self._total = total
        self._done = 0

    def advance(self, count: int) -> None:
        """Count `count` items more."""
        self._done += count

    @property
    def percentage(self) -> float:
        """How far it is, in 0..100."""
        return round(min(100.0, 100.0 * self._done / self._total), 1) if self._total else 100.0


def _send(counted: _Counted, over: Event, every_s: float) -> None:
    """Send the percentage whenever it has changed, until the work is over; a short one is never sent."""
    if over.wait(every_s):
        return
    with get_client(sync_client=True) as client:
        artifact, sent = None, -1.0
        while True:
            # Asked for first, so that the last percentage is sent whenever the work ends.
            ended = over.is_set()
            if (percentage := counted.percentage) != sent:
                try:
                    artifact = _sent(client, artifact, counted.description, percentage)
                    sent = percentage
                except httpx.HTTPError as error:
                    _log.debug("progress of %s could not be sent: %s", counted.description, error)
            if ended:
                return
            over.wait(every_s)


def _sent(client: SyncPrefectClient, artifact: UUID | None, description: str, percentage: float) -> UUID:
    """Create the artifact, or update it; return its id."""
    if artifact is not None:
        client.update_artifact(artifact, ArtifactUpdate(data=percentage))
        return artifact
    task_run_id, flow_run_id = get_task_and_flow_run_ids()
    created = client.create_artifact(
        ArtifactCreate(
            type="progress",
            description=description,
            data=percentage,
            task_run_id=task_run_id,
            flow_run_id=flow_run_id,
        )
    )
    return created.id
