"""The parts of the benchmark, by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from benchmarks.speed import caching, growth, inversion, sampling, startup, training, whole_job
from benchmarks.speed.bench import Bench, Workload

WORKLOADS: Mapping[str, Workload] = MappingProxyType(
    {part.NAME: part.measure for part in (training, sampling, inversion, caching, whole_job, startup, growth)}
)
# What lies around the model does not depend on it, so one model is enough.
_OF_ONE_MODEL = frozenset({whole_job.NAME, startup.NAME, growth.NAME})


def for_model(names: Sequence[str], bench: Bench) -> list[str]:
    """Return those of `names` that are measured with the bench's model."""
    return [name for name in names if bench.base.name == "toybox" or name not in _OF_ONE_MODEL]
