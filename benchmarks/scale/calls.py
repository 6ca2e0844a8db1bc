"""What runs ask of the Prefect server: every HTTP request and every event, and how that grows with time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from re import sub
from typing import Literal, Self, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from moongate.artifacts.schemas import Table

Turn = Literal["built", "again"]
TURNS: tuple[Turn, ...] = get_args(Turn)
REQUEST, EVENT = "request", "event"
PROGRESS = frozenset({"PATCH /api/artifacts/<id>", "prefect.artifact.updated"})
"""By which a stage at work says how far it is: a request, and the event that Prefect sends with it."""

CALLS = Table(
    "scale_calls",
    2,
    "turn x kind x name",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("turn", "kind", "name")),
            pa.field("count", pa.int64(), nullable=False),
            pa.field("wall_s", pa.float64(), nullable=False),
        ]
    ),
)
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Call:
    """How often something was asked while a run went on.

    Attributes:
        turn: of which run: the one that built everything, or the one after it, which found all of it.
        kind: a request, or an event that was sent through the websocket.
        name: method and route without ids, or the event's name.
        wall_s: how long that run took.
    """

    turn: Turn
    kind: str
    name: str
    count: int
    wall_s: float


@dataclass(frozen=True)
class Load:
    """What a run asks of the server: so much at any rate, and more for each second that it works.

    Attributes:
        per_run: requests and events of a run however long it takes.
        progress_per_s: what says how far a stage is, when that is sent every second.
        others_per_s: what else grows with time: heartbeats and logs.
    """

    per_run: float
    progress_per_s: float
    others_per_s: float

    @property
    def per_s(self) -> float:
        """All that grows with time."""
        return self.progress_per_s + self.others_per_s

    def with_progress_every(self, seconds: float) -> Self:
        """Return the load when progress is sent once in so many seconds."""
        return replace(self, progress_per_s=self.progress_per_s / seconds)


@dataclass
class Tally:
    """What was asked so far."""

    requests: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def calls(self, turn: Turn, wall_s: float) -> list[Call]:
        """Return it as calls of a run."""
        counts = {REQUEST: self.requests, EVENT: self.events}
        return [
            Call(turn, kind, name, count, wall_s) for kind, of in counts.items() for name, count in of.items()
        ]


def load_of(calls: Sequence[Call]) -> Load:
    """Return the straight line through both runs: they ask for the same but for what time brings."""
    seconds = {call.turn: call.wall_s for call in calls}
    longer_s = seconds["built"] - seconds["again"]

    def grown(found: Sequence[Call]) -> float:
        sums = {turn: sum(call.count for call in found if call.turn == turn) for turn in TURNS}
        return (sums["built"] - sums["again"]) / longer_s

    progress = grown([call for call in calls if call.name in PROGRESS])
    every = grown(calls)
    again = sum(call.count for call in calls if call.turn == "again")
    return Load(again - every * seconds["again"], progress, every - progress)


def read_calls(path: Path) -> list[Call]:
    """Read the Parquet file of `CALLS`."""
    return [Call(**row) for row in pq.read_table(path).to_pylist()]


@contextmanager
def counted() -> Iterator[Tally]:
    """Count what this process asks of the server, in every thread of it."""
    import httpx
    from prefect.events.clients import EventsClient
    from prefect.events.schemas.events import Event

    tally = Tally()
    send, send_async, emit = httpx.Client.send, httpx.AsyncClient.send, EventsClient.emit

    def noted(request: httpx.Request) -> None:
        tally.requests[f"{request.method} {sub(_ID, '<id>', request.url.path)}"] += 1

    def sending(self: httpx.Client, request: httpx.Request, **options: object) -> httpx.Response:
        noted(request)
        return send(self, request, **options)  # type: ignore[arg-type]

    async def sending_async(
        self: httpx.AsyncClient, request: httpx.Request, **options: object
    ) -> httpx.Response:
        noted(request)
        return await send_async(self, request, **options)  # type: ignore[arg-type]

    async def emitting(self: EventsClient, event: Event) -> None:
        tally.events[event.event] += 1
        await emit(self, event)

    httpx.Client.send, httpx.AsyncClient.send = sending, sending_async  # type: ignore[method-assign]
    EventsClient.emit = emitting  # type: ignore[method-assign]
    try:
        yield tally
    finally:
        httpx.Client.send, httpx.AsyncClient.send = send, send_async  # type: ignore[method-assign]
        EventsClient.emit = emit  # type: ignore[method-assign]
