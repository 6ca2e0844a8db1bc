"""Who shares the devices: runs of the workers, and commands in terminals beside them."""

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.operations.deaths import Outcome
from benchmarks.operations.machine import ENDED, SLOTS, Machine, overlaps, until
from benchmarks.operations.trainings import Span, computing, leases
from moongate.runs import list_runs

QUEUED, TERMINALS = 8, 2
STEPS = 30


def eight_runs_and_two_terminals(machine: Machine) -> Outcome:
    """Queue eight trainings, start two more in terminals, and see that no slot has two of them at a time.

    A worker has its own slot and one run at a time, so among workers nothing could overlap. A command in a
    terminal takes whichever slot is free: only the leases keep it from a worker's.
    """
    first, begun, clock = list_runs(machine.store)[-1].run_id, time.monotonic(), time.time()
    queued = [machine.rerun("train", _settings(number)) for number in range(QUEUED)]
    with ThreadPoolExecutor(TERMINALS) as terminals:
        numbers = range(QUEUED, QUEUED + TERMINALS)
        words = [[word for one in _settings(number) for word in ("--set", one)] for number in numbers]
        command = ("rerun", first, "--stage", "train", "--only", "-q")
        done = [terminals.submit(machine.moongate, *command, *one) for one in words]
        for one in done:
            one.result()
    until(lambda: all(machine.state(one) in ENDED for one in queued), "the eight runs have ended")
    seconds = time.monotonic() - begun
    states = [machine.state(one) for one in queued]
    held = _held(machine, since=clock)
    shared, count = overlaps(held), sum(map(len, held.values()))
    used = ", ".join(f"{slot.partition('@')[0]}: {len(spans)}" for slot, spans in sorted(held.items()))
    fine = states == ["Completed"] * QUEUED and len(held) == SLOTS and shared == 0
    return Outcome(
        f"{QUEUED} runs queued and {TERMINALS} in terminals, {SLOTS} slots",
        f"{states.count('Completed')} of {QUEUED} Completed",
        "",
        seconds,
        f"{used}; overlaps: {shared}",
        fine and count == QUEUED + TERMINALS,
    )


def _settings(number: int) -> list[str]:
    return [f"train.steps={STEPS}", f"train.learning_rate={number + 1}e-6"]


def _held(machine: Machine, since: float) -> dict[str, list[Span]]:
    """Return when trainings that ended after `since`, in seconds since 1970, computed on each slot."""
    held: dict[str, list[Span]] = {}
    for digest, slot in leases(machine.store).items():
        span = computing(machine.adapters / digest)
        if span[1].timestamp() > since:
            held.setdefault(slot, []).append(span)
    return held
