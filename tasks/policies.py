"""What all stage tasks have in common: retries, caching, and the device they run on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypedDict, TypeVar, cast

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed
from prefect.tasks import Task

from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import Ref
from moongate.artifacts.store import Obtained, Store
from moongate.models.leases import leased_device
from moongate.stages.context import StageContext
from tasks.progress import current_progress

C = TypeVar("C")
N = TypeVar("N")
R = TypeVar("R", bound=Ref)

TRANSIENT = (ConnectionError, TimeoutError)


def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Tell whether trying again can help: after a lost connection, yes; a computation fails the same way."""
    try:
        state.result()
    except BaseException as error:  # noqa: BLE001 - whatever the task raised is what is asked about
        return isinstance(error, TRANSIENT) or isinstance(error.__cause__, TRANSIENT)
    return False


class StagePolicy(TypedDict):
    """The task options that do not differ between stages."""

    cache_policy: CachePolicy
    persist_result: bool
    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]


# The store decides what is cached, from contents. Prefect's own cache would hash the thin task's source and
# keep pickled results, and a stage's result is an address of 64 digits anyway.
STAGE_POLICY = StagePolicy(
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=[5.0, 30.0],
    retry_condition_fn=is_transient,
)


def performed(
    stage: Callable[[C, N, StageContext], Obtained[R]],
    recipe: Recipe[R],
    config: C,
    inputs: N,
    device: str,
) -> Obtained[R]:
    """Run a stage on a leased device, or without one when the store has its artifact.

    What comes back in the second case is a state named "Cached", so that the task run is shown as such: call
    the task by `.submit(...).result()`, which hands on what the state holds.
    """
    store = Store.from_environment()
    context = StageContext(store, current_progress(), device)
    if store.find(recipe) is None:
        with leased_device(device) as leased:
            obtained = stage(config, inputs, replace(context, device=leased))
    else:
        obtained = stage(config, inputs, context)
    if obtained.cached:
        return cast(Obtained[R], Completed(name="Cached", message=obtained.ref.digest, data=obtained))
    return obtained
