"""A night of many subjects as a closed queueing network, event by event.

Every device takes one subject after the other and performs its chain. Between the computations of a stage,
which nobody else is needed for, the device waits in line for what all of them share: the store's bytes, and
the Prefect server. Each of these serves one request at a time, first come, first served.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(frozen=True)
class Step:
    """One stage of a subject's chain.

    Attributes:
        compute_s: seconds on the device that no other device can delay.
        store_bytes: what it publishes.
        server_calls: requests to the Prefect server that the stage waits for, and their events.
        of_class: whether only the first subject of a class performs it.
    """

    compute_s: float
    store_bytes: float
    server_calls: float
    of_class: bool = False


@dataclass(frozen=True)
class Shared:
    """What all devices share: bytes a second into the store, and requests a second at the Prefect server."""

    store_bytes_per_s: float
    server_calls_per_s: float


@dataclass(frozen=True)
class Night:
    """What came of a simulated night.

    Attributes:
        seconds: from the first start to the last end.
        device_share: of that time that the devices computed, 0..1.
        store_share, server_share: of that time that the store and the server were busy.
        store_bytes, server_calls: in all.
    """

    seconds: float
    device_share: float
    store_share: float
    server_share: float
    store_bytes: float
    server_calls: float


@dataclass
class _Line:
    """A server that serves one request at a time, in the order in which they come."""

    per_s: float
    free_at: float = 0.0
    busy_s: float = 0.0

    def served(self, at: float, amount: float) -> float:
        """Return when a request that comes at `at` is done."""
        service = amount / self.per_s
        self.busy_s += service
        self.free_at = max(at, self.free_at) + service
        return self.free_at


def simulate(
    chain: Sequence[Step],
    subjects: int,
    classes: int,
    devices: int,
    shared: Shared,
    reports_per_s: float = 0.0,
) -> Night:
    """Return what a night comes to.

    Args:
        chain: the stages of one subject, in order.
        subjects: how many.
        classes: how many class nouns they have; subject i has the noun i modulo `classes`.
        devices: how many compute.
        shared: what they compete for.
        reports_per_s: what threads beside the work of a device send to the Prefect server: progress, logs,
            heartbeats. No stage waits for it, but the server has so much less for what is waited for.

    Raises:
        ValueError: when the server has nothing left.
    """
    left_per_s = shared.server_calls_per_s - reports_per_s * devices
    if left_per_s <= 0:
        raise ValueError(f"the reports of {devices} devices take all that the server answers")
    store, server = _Line(shared.store_bytes_per_s), _Line(left_per_s)
    whole, reused = list(chain), [step for step in chain if not step.of_class]
    # When it happens, which device, its subject, the step that it has just computed.
    events: list[tuple[float, int, int, int]] = []
    waiting, computed_s, end = devices, 0.0, 0.0

    def chain_of(subject: int) -> list[Step]:
        return whole if subject < classes else reused

    for device in range(min(devices, subjects)):
        heappush(events, (chain_of(device)[0].compute_s, device, device, 0))
    while events:
        now, device, subject, number = heappop(events)
        step = chain_of(subject)[number]
        computed_s += step.compute_s
        now = server.served(store.served(now, step.store_bytes), step.server_calls)
        end = max(end, now)
        number += 1
        if number == len(chain_of(subject)):
            subject, waiting, number = waiting, waiting + 1, 0
        if subject < subjects:
            heappush(events, (now + chain_of(subject)[number].compute_s, device, subject, number))
    return Night(
        seconds=end,
        device_share=computed_s / (devices * end),
        store_share=store.busy_s / end,
        server_share=(server.busy_s * server.per_s + reports_per_s * computed_s)
        / (end * shared.server_calls_per_s),
        store_bytes=store.busy_s * store.per_s,
        server_calls=server.busy_s * server.per_s + reports_per_s * computed_s,
    )


def fewest_devices(simulated: Callable[[int], Night], seconds: float, most: int) -> int | None:
    """Return how many devices end the night in time; None when even `most` do not.

    Args:
        simulated: the night with so many devices; more devices never end later by much.
        seconds: how long the night is.
        most: the largest number that is tried.
    """
    if simulated(most).seconds > seconds:
        return None
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if simulated(middle).seconds <= seconds else (middle + 1, high)
    return low
