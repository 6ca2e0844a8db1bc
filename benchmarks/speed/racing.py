"""Contenders that take turns: A B A B, each in a process of its own.

A process of its own, because then its peak memory is its own, and because Accelerate keeps precision and
device in process-wide state, so that two precisions could not train side by side. All are built and warmed up
before the first lap, so that whatever else disturbs the machine disturbs them alike.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import perf_counter
from typing import Any

from benchmarks.speed.meters import Meter
from moongate.errors import MoongateError

# Model libraries read them when they are first imported. Their warnings of what a peer does to its models
# would be written across the progress.
_VERBOSITY = ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY")


class ContenderError(MoongateError):
    """A contender's process failed."""


@dataclass(frozen=True)
class Done:
    """What one portion of work came to.

    Attributes:
        items: things done, of which the time of one is wanted.
        unet_evals: samples that went through the UNet.
        error: of the result against what it should be, where the workload measures one.
        peak_bytes: highest memory of processes that did the work, where it was not this one.
    """

    items: int
    unet_evals: int = 0
    error: float | None = None
    peak_bytes: int | None = None


Portion = Callable[[], Done]


# Prepares a contender in its own process and returns what does one portion of the work, as often as asked: a
# function at the top level of a module, and arguments that can be pickled.
Build = Callable[..., Portion]


@dataclass(frozen=True)
class Contender:
    """One way of doing a piece of work.

    Attributes:
        name: told apart by.
        build: prepares it, in a process of its own.
        arguments: for `build`; they are pickled.
        device: where it computes, whose memory is measured.
        warm_ups: portions before the first lap; 0 where the start is a part of what is measured.
    """

    name: str
    build: Build
    arguments: Mapping[str, Any]
    device: str = "cpu"
    warm_ups: int = 1


@dataclass(frozen=True)
class Lap:
    """One timed portion: seconds, what was done, and the highest memory meanwhile in bytes."""

    seconds: float
    done: Done
    peak_bytes: int

    @property
    def each(self) -> float:
        """Seconds for each item."""
        return self.seconds / self.done.items


@dataclass(frozen=True)
class Laps:
    """All laps of one contender."""

    laps: tuple[Lap, ...]

    @property
    def each(self) -> float:
        """Median of the seconds for each item."""
        return statistics.median(lap.each for lap in self.laps)

    @property
    def peak_bytes(self) -> int:
        """The highest memory of any lap, in bytes."""
        return max(lap.peak_bytes for lap in self.laps)

    @property
    def unet_evals(self) -> int:
        """Samples that went through the UNet in one lap."""
        return self.laps[0].done.unet_evals

    @property
    def error(self) -> float | None:
        """The error of the first lap's result; results do not change from lap to lap."""
        return self.laps[0].done.error


def race(
    contenders: Sequence[Contender], rounds: int, advance: Callable[[int], None] = lambda _: None
) -> dict[str, Laps]:
    """Return the laps of each contender by its name; they took turns, `rounds` times.

    Args:
        contenders: who takes part, in the order of a round.
        rounds: laps of each.
        advance: told of each finished lap.

    Raises:
        ContenderError: when a contender fails; it shows the traceback of its process.
    """
    laps: dict[str, list[Lap]] = {contender.name: [] for contender in contenders}
    with _running(contenders) as runners:
        for _ in range(rounds):
            for runner in runners:
                laps[runner.name].append(runner.lap())
                advance(1)
    return {name: Laps(tuple(found)) for name, found in laps.items()}


@dataclass(frozen=True)
class _Runner:
    name: str
    process: BaseProcess
    pipe: Connection

    def lap(self) -> Lap:
        """Let the contender run one portion."""
        self.pipe.send("go")
        return self.answer()

    def answer(self) -> Any:
        """Return what the contender says, or raise what went wrong there."""
        try:
            answer = self.pipe.recv()
        except EOFError:
            self.process.join()
            answer = _Failure(f"its process ended with status {self.process.exitcode}")
        if isinstance(answer, _Failure):
            raise ContenderError(
                f"the contender {self.name!r} failed",
                where="benchmarks.speed",
                why=answer.why,
                fix="start the benchmark again with --only and this workload's name, when it is repaired",
            )
        return answer


@dataclass(frozen=True)
class _Failure:
    why: str


@contextmanager
def _running(contenders: Sequence[Contender]) -> Iterator[list[_Runner]]:
    """Yield the contenders, built and warmed up one after the other; they are ended with the block."""
    context = multiprocessing.get_context("spawn")
    runners: list[_Runner] = []
    try:
        for contender in contenders:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(contender, theirs), daemon=True)
            process.start()
            theirs.close()
            runners.append(_Runner(contender.name, process, ours))
            runners[-1].answer()
        yield runners
    finally:
        for runner in runners:
            runner.pipe.close()
            runner.process.join(timeout=10)
            if runner.process.is_alive():
                runner.process.kill()


def _serve(contender: Contender, pipe: Connection) -> None:
    """The contender's process: build, warm up, and run a portion at every word until the pipe is closed."""
    for name in _VERBOSITY:
        os.environ.setdefault(name, "error")
    try:
        portion = contender.build(**contender.arguments)
        for _ in range(contender.warm_ups):
            portion()
        meter = Meter(contender.device)
        pipe.send("ready")
        while True:
            pipe.recv()
            pipe.send(_timed(portion, meter))
    except EOFError:
        return
    except Exception:  # noqa: BLE001 - whatever it was, the parent tells it
        pipe.send(_Failure(traceback.format_exc()))


def _timed(portion: Portion, meter: Meter) -> Lap:
    meter.restart()
    started = perf_counter()
    done = portion()
    meter.wait()
    seconds = perf_counter() - started
    return Lap(seconds, done, meter.peak_bytes() if done.peak_bytes is None else done.peak_bytes)
