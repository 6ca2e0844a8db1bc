"""Which run repeats which: families of runs, each as a list with depths; and which one another replaced."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from moongate.runs import VERBS, RunRecord

DEEPEST = 6
"""Deeper repetitions are indented no further, or a phone would show nothing of them."""


@dataclass(frozen=True)
class Relative:
    """A run in its family; `depth` is 0 for the one that started it."""

    run: RunRecord
    depth: int


@dataclass(frozen=True)
class Lineage:
    """Who repeats whom among the runs of a store.

    Attributes:
        children: ids of the runs that repeat a run directly, oldest first.
        families: those of more than one run, the newest first; a run comes right after what it repeats.
    """

    children: Mapping[str, tuple[str, ...]]
    families: tuple[tuple[Relative, ...], ...]


def lineage_of(runs: Sequence[RunRecord]) -> Lineage:
    """Return the lineage of `runs`, in any order. A parent that is not among them starts nothing."""
    known = {run.run_id: run for run in sorted(runs, key=lambda run: run.started_utc)}
    children: dict[str, list[str]] = defaultdict(list)
    for run in known.values():
        if run.parent in known and run.parent != run.run_id:
            children[run.parent].append(run.run_id)
    founders = [run for run in known.values() if run.run_id in children and run.parent not in known]
    families = tuple(tuple(_descent(run.run_id, known, children)) for run in reversed(founders))
    return Lineage({parent: tuple(found) for parent, found in children.items()}, families)


def replaced_runs(runs: Iterable[RunRecord]) -> frozenset[str]:
    """Return the ids of the runs after which one with the same settings, and no shorter, was completed."""
    found: set[str] = set()
    # How far the later completed runs of some settings went, as a place among the stages.
    farthest: dict[str, int] = {}
    for run in sorted(runs, key=lambda run: run.started_utc, reverse=True):
        settings, last = run.config.model_dump_json(), VERBS.index(run.until)
        if farthest.get(settings, -1) >= last:
            found.add(run.run_id)
        if run.status == "completed":
            farthest[settings] = max(last, farthest.get(settings, -1))
    return frozenset(found)


def _descent(
    founder: str, known: Mapping[str, RunRecord], children: Mapping[str, Sequence[str]]
) -> Iterator[Relative]:
    waiting, seen = [(founder, 0)], set()
    while waiting:
        run_id, depth = waiting.pop()
        if run_id in seen:
            continue
        seen.add(run_id)
        yield Relative(known[run_id], min(depth, DEEPEST))
        waiting += [(child, depth + 1) for child in reversed(children.get(run_id, ()))]
