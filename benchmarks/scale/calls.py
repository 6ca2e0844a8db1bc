"""What one run asks of the Prefect server: every HTTP request and every event."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from re import sub

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Calls:
    """What was asked.

    Attributes:
        requests: HTTP requests by method and route, ids left out.
        events: events sent through the websocket.
    """

    requests: Counter[str]
    events: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.requests.values()) + self.events


class _Tally:
    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.events = 0

    def calls(self) -> Calls:
        return Calls(Counter(self.requests), self.events)


@contextmanager
def counted() -> Iterator[_Tally]:
    """Count what this process asks of the server, in every thread of it."""
    import httpx
    from prefect.events.clients import EventsClient

    tally = _Tally()
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

    async def emitting(self: EventsClient, event: object) -> None:
        tally.events += 1
        await emit(self, event)  # type: ignore[arg-type]

    httpx.Client.send, httpx.AsyncClient.send = sending, sending_async  # type: ignore[method-assign]
    EventsClient.emit = emitting  # type: ignore[method-assign]
    try:
        yield tally
    finally:
        httpx.Client.send, httpx.AsyncClient.send = send, send_async  # type: ignore[method-assign]
        EventsClient.emit = emit  # type: ignore[method-assign]
