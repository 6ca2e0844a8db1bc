"""The parts of the benchmark, by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from benchmarks.speed import caching, growth, inversion, memory, sampling, startup, training, whole_job
from benchmarks.speed.bench import Bench, Workload

WORKLOADS: Mapping[str, Workload] = MappingProxyType(
    {
        part.NAME: part.measure
        for part in (training, sampling, inversion, caching, whole_job, startup, growth, memory)
    }
)
# What lies around the model does not depend on it, so one model is enough.
_OF_ONE_MODEL = frozenset({whole_job.NAME, startup.NAME, growth.NAME})
# Worth knowing of a large model only, and there on a CPU, too, although it takes minutes a step.
OF_LARGE_MODELS = frozenset({memory.NAME})


def for_model(names: Sequence[str], bench: Bench) -> list[str]:
    """Return those of `names` that are measured with the bench's model on its device."""
    if bench.base.name == "toybox":
        return [name for name in names if name not in OF_LARGE_MODELS]
    on_gpu = bench.device.startswith("cuda")
    return [name for name in names if name in OF_LARGE_MODELS or (on_gpu and name not in _OF_ONE_MODEL)]
