"""Workers of a cluster, each with a device of its own, and the tasks that are handed to them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit

from prefect import Task
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from flows.engines.choice import EngineChoice, require_installed
from flows.server import configured_url
from moongate import interruption
from moongate.errors import ConfigError, EngineError, MoongateError

R = TypeVar("R")
# A worker that dies is replaced so often before the task counts as what kills it.
DEATHS_FORGIVEN = 3
_POLL_S = 0.5


@dataclass(frozen=True)
class Fleet:
    """Workers that perform tasks, one task at a time each.

    Attributes:
        kind: dask or ray.
        runner: Prefect's way to them, started.
        devices: how many tasks can be performed at the same time.
        asking: what surrounds handing out a task, so that it is given a device.
    """

    kind: str
    runner: TaskRunner[Any]
    devices: int
    asking: Callable[[], AbstractContextManager[object]]

    def submit(self, task: Task[..., R], **parameters: object) -> PrefectFuture[R]:
        """Hand out a task; it begins when a device is free."""
        with self.asking():
            return self.runner.submit(task, parameters)

    def result(self, future: PrefectFuture[R]) -> R:
        """Wait for a task and return what it gives.

        Raises:
            EngineError: when its worker died, and so did those that were given it afterwards.
            StopError: when this process was asked to stop.
            Exception: whatever the task raised.
        """
        outcome = self.outcome(future)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def outcome(self, future: PrefectFuture[R]) -> R | BaseException:
        """Wait for a task and return what it gives, or what it raised.

        Raises:
            StopError: when this process was asked to stop.
        """
        while True:
            interruption.heed()
            try:
                # In pieces, so that a request to stop is heard. What a task raises is returned, not raised.
                return future.result(timeout=_POLL_S, raise_on_failure=False)
            except TimeoutError:
                continue
            except Exception as error:  # noqa: BLE001 - each engine has exceptions of its own for it
                return _lost(self.kind, error)

    def as_completed(self, futures: Sequence[PrefectFuture[R]]) -> Iterator[tuple[int, R | BaseException]]:
        """Yield the place of each task in `futures` and its outcome, as soon as it has one.

        Raises:
            StopError: when this process was asked to stop.
        """
        ended = SimpleQueue[int]()
        for place, future in enumerate(futures):
            future.add_done_callback(partial(_note, ended, place))
        for _ in futures:
            place = _next(ended)
            outcome = self.outcome(futures[place])
            yield place, outcome

    def await_all(self, futures: Sequence[PrefectFuture[R]], advance: Callable[[int], None]) -> None:
        """Wait for tasks; `advance` is told of each one that ends.

        Raises:
            EngineError, StopError, Exception: as `result` does, for the first that has not ended well.
        """
        for _, outcome in self.as_completed(futures):
            if isinstance(outcome, BaseException):
                raise outcome
            advance(1)


@contextmanager
def opened(choice: EngineChoice) -> Iterator[Fleet]:
    """Connect to a cluster, or start one that lasts as long as the context.

    Raises:
        ConfigError: when the engine is not installed, or the workers could not reach Prefect's API.
        EngineError: when the cluster cannot be reached, or offers no device.
    """
    require_installed(choice)
    _require_common_api(choice)
    if choice.kind == "dask":
        from flows.engines.on_dask import dask_fleet as fleet
    else:
        from flows.engines.on_ray import ray_fleet as fleet
    with fleet(choice) as workers:
        yield workers


def _require_common_api(choice: EngineChoice) -> None:
    url = configured_url(os.environ)
    if choice.address is None or _is_this_host(choice.address) or (url and not _is_this_host(url)):
        return
    raise ConfigError(
        "the workers could not report to Prefect",
        where="PREFECT_API_URL",
        why=f"{choice.address} is another host, and the API is at {url or 'an address of this host only'}",
        fix="start a Prefect server that every host reaches, and set PREFECT_API_URL to it",
    )


def _is_this_host(address: str) -> bool:
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host in ("", "localhost", "auto", "local")


def unreachable(choice: EngineChoice, error: Exception) -> EngineError:
    """Return the error of a running cluster that does not answer."""
    return EngineError(
        f"the {choice.kind} cluster cannot be used",
        where=str(choice.address),
        why=f"{type(error).__name__}: {error}",
        fix="check that it runs and that this host reaches it; without an address one is started here",
    )


def not_started(choice: EngineChoice, error: Exception) -> EngineError:
    """Return the error of a cluster that was to last as long as the command."""
    return EngineError(
        f"a {choice.kind} cluster could not be started on this host",
        where=f"--engine {choice.kind}",
        why=f"{type(error).__name__}: {error}",
        fix="free memory or room in the temporary folder if they are short, or name a running cluster: "
        "--engine-address",
    )


def without_devices(choice: EngineChoice, remedy: str) -> EngineError:
    """Return the error of a cluster on which every task would wait for ever."""
    return EngineError(
        f"the {choice.kind} cluster offers no device",
        where=str(choice.address),
        why="tasks ask for one GPU each, and no worker has said that it has any",
        fix=remedy,
    )


def _note(ended: SimpleQueue[int], place: int, _future: object) -> None:
    ended.put(place)


def _next(ended: SimpleQueue[int]) -> int:
    """Wait in pieces, so that a request to stop is heard."""
    while True:
        interruption.heed()
        with suppress(Empty):
            return ended.get(timeout=_POLL_S)


def _lost(kind: str, error: Exception) -> MoongateError:
    return EngineError(
        "a task was lost with its workers",
        where=f"engine {kind}",
        why=f"{type(error).__name__}: {error}",
        fix="read the workers' logs; memory that ran out is the usual cause. The same command goes on from "
        "what is done",
    )
