"""On whose behalf this thread works, and which device it holds meanwhile.

A stage is handed what decides its result, and who asked for it is no part of that. So the name comes from the
context: a task opens a tenancy around a stage, and what leases a device looks there for the name to give to
those who wait, and leaves there what it holds.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Tenant:
    """One stage instance at work.

    Attributes:
        purpose: what people are told of who holds a device.
        on_lease: called with the label of a device as soon as it is held.
        devices: labels of all devices held so far, in order.
    """

    purpose: str = "a process"
    on_lease: Callable[[str], None] = lambda label: None
    devices: list[str] = field(default_factory=list)

    def took(self, label: str) -> None:
        """Note that a device is held from now on."""
        self.devices.append(label)
        self.on_lease(label)


_current: ContextVar[Tenant] = ContextVar("tenant")


def current_tenant() -> Tenant:
    """Return the stage instance at work in this context; a nameless one when nobody said."""
    return _current.get(Tenant())


@contextmanager
def tenancy(tenant: Tenant) -> Iterator[Tenant]:
    """Make devices that are leased within be held on behalf of `tenant`."""
    token = _current.set(tenant)
    try:
        yield tenant
    finally:
        _current.reset(token)
