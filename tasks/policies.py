"""What all stage tasks have in common: retries, and how cached results are shown."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar, cast

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed
from prefect.tasks import Task

from moongate.artifacts.rebuilding import Rebuilding
from moongate.artifacts.refs import Ref
from moongate.artifacts.store import Obtained, Store
from moongate.progress import Progress
from moongate.stages.context import StageContext
from tasks.progress import current_progress
from tasks.workplace import Workplace

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


@dataclass(frozen=True)
class Terms:
    """On what terms a stage is performed; none of them changes what it gives.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        rebuild: build a second time what the store has, and say how the result compares.
        workplace: of the process that hands out the task; None when that is this one.
    """

    device: str = "auto"
    rebuild: bool = False
    workplace: Workplace | None = None

    def arrived(self) -> AbstractContextManager[None]:
        """Return what surrounds the work: the folders of the process that handed it out.

        Raises:
            StoreError: when this host does not see one of them.
        """
        return self.workplace.entered() if self.workplace else nullcontext()

    def context(self, progress: Progress) -> StageContext:
        """Return the context of the stage; call it after having arrived."""
        store = (Rebuilding if self.rebuild else Store).from_environment()
        return StageContext(store, progress, self.device)


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
    stage: Callable[[C, N, StageContext], Obtained[R]], config: C, inputs: N, terms: Terms
) -> Obtained[R]:
    """Run a stage, which asks the store first and leases a device only for what it has to build.

    What comes back for a cached artifact is a state named "Cached", so that the task run is shown as such.
    Read such a task's result from its state: a plain call hands out the state itself.
    """
    with terms.arrived():
        obtained = stage(config, inputs, terms.context(current_progress()))
    if obtained.cached:
        return cast(Obtained[R], Completed(name="Cached", message=obtained.ref.digest, data=obtained))
    return obtained
