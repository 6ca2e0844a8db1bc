"""Performs the stages of a chain in this process: no server and no run records, the same store."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

from prefect import Task

from moongate.artifacts.refs import Ref
from moongate.artifacts.store import Obtained
from moongate.stages.cache import cache
from moongate.stages.context import StageContext
from moongate.stages.evaluate import evaluate
from moongate.stages.ingest import ingest
from moongate.stages.invert import invert
from moongate.stages.prior import prior
from moongate.stages.sample import sample
from moongate.stages.train import train

R = TypeVar("R", bound=Ref)
Core = Callable[[Any, Any, StageContext], Obtained[Any]]

CORES: Mapping[str, Core] = MappingProxyType(
    {core.__name__: core for core in (ingest, prior, cache, train, invert, sample, evaluate)}
)


class Direct:
    """A `flows.performers.Perform` that calls each stage's core function.

    Attributes:
        context: store, progress and device.
        built: stage instances that the store did not have.
    """

    def __init__(self, context: StageContext) -> None:
        self.context = context
        self.built = 0

    def __call__(self, stage: Task[..., Obtained[R]], role: str, config: object, inputs: object) -> R:
        """Obtain the artifact of one stage instance."""
        obtained = CORES[stage.name](config, inputs, self.context)
        self.built += not obtained.cached
        return cast(R, obtained.ref)
