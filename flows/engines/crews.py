"""Who performs the tasks of stages: this process, or the workers of a fleet."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

from prefect import State, Task

from flows.engines.choice import EngineChoice
from flows.engines.fleet import Fleet, opened
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import Ref
from moongate.artifacts.shards import shards
from moongate.artifacts.store import Obtained, Store
from moongate.stages import cache, evaluate, ingest, invert, prior, sample, train
from tasks.policies import Terms
from tasks.progress import current_progress
from tasks.shard import NUM_ITEMS, shard
from tasks.workplace import Workplace

R = TypeVar("R", bound=Ref)

RECIPES: Mapping[str, Callable[[Any, Any], Recipe[Any]]] = MappingProxyType(
    {module.STAGE: module.recipe for module in (ingest, prior, cache, train, invert, sample, evaluate)}
)


class Crew(Protocol):
    """Gets the task of one stage instance done."""

    def __call__(
        self, stage: Task[..., Obtained[R]], role: str, config: Any, inputs: Any, terms: Terms
    ) -> Obtained[R]:
        """Perform `stage` and return its artifact.

        Raises:
            EngineError: when workers died again and again.
            StopError: when the process was asked to stop.
        """
        ...


def here(stage: Task[..., Obtained[R]], role: str, config: Any, inputs: Any, terms: Terms) -> Obtained[R]:
    """Run the task in the flow's own thread, so that Ctrl-C reaches it."""
    # A cached stage answers with a state and a built one with its value; as states both are read alike.
    state = cast(State[Obtained[R]], stage(role, config, inputs, terms, return_state=True))
    obtained: Obtained[R] = state.result()
    return obtained


@dataclass(frozen=True)
class Spread:
    """Hands stages to a fleet: those that work in batches as a shard a worker, the others whole.

    What the store has, and what needs no device, is done by this process.
    """

    fleet: Fleet
    workplace: Workplace

    def __call__(
        self, stage: Task[..., Obtained[R]], role: str, config: Any, inputs: Any, terms: Terms
    ) -> Obtained[R]:
        """Have `stage` performed; the time that it took includes its shards."""
        started, store = perf_counter(), Store.from_environment()
        recipe = RECIPES[stage.name](config, inputs)
        if stage.name == ingest.STAGE or (not terms.rebuild and store.find(recipe)):
            return here(stage, role, config, inputs, terms)
        away = replace(terms, workplace=self.workplace)
        if stage.name in NUM_ITEMS:
            self._do_shards(stage.name, role, config, inputs, away, store)
        given = {"role": role, "config": config, "inputs": inputs, "terms": away}
        obtained = self.fleet.result(self.fleet.submit(stage, **given))
        return replace(obtained, wall_s=perf_counter() - started)

    def _do_shards(self, verb: str, role: str, config: Any, inputs: Any, terms: Terms, store: Store) -> None:
        """Have the batches of a stage computed, all workers at once."""
        parts = shards(NUM_ITEMS[verb](config, inputs, store), config.batch_size, self.fleet.devices)
        if len(parts) == 1:
            return
        common = {"verb": verb, "role": role, "config": config, "inputs": inputs, "terms": terms}
        label = f"{verb} {role}, shards on {self.fleet.kind}"
        with current_progress().track(label, len(parts)) as advance:
            futures = [self.fleet.submit(shard, part=part, **common) for part in parts]
            self.fleet.await_all(futures, advance)


@contextmanager
def crew(choice: EngineChoice) -> Iterator[Crew]:
    """Yield who performs stages; a cluster that is started for it ends with the context.

    Raises:
        ConfigError, EngineError: when the engine cannot be used.
    """
    if choice.kind == "local":
        yield here
        return
    with opened(choice) as fleet:
        yield Spread(fleet, Workplace.here())
