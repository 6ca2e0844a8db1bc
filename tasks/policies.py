"""What all stage tasks have in common: retries, and how cached results are shown."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed
from prefect.tasks import Task

from moongate.artifacts.rebuilding import Rebuilding
from moongate.artifacts.refs import Ref
from moongate.artifacts.store import Obtained, Store
from moongate.exhibits.kinds import Exhibit
from moongate.stages.context import StageContext
from tasks.exhibits import exhibit
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


@dataclass(frozen=True)
class Terms:
    """On what terms a stage is performed; none of them changes what it gives.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        rebuild: build a second time what the store has, and say how the result compares.
        subject: whose run it is, for names in a user interface.
    """

    device: str = "auto"
    rebuild: bool = False
    subject: str = ""

    def store(self) -> Store:
        """Return the store that the stage asks."""
        return (Rebuilding if self.rebuild else Store).from_environment()


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


def nothing_to_show(_folder: Path) -> tuple[Exhibit, ...]:
    """Show nothing of an artifact."""
    return ()


def performed(
    stage: Callable[[C, N, StageContext], Obtained[R]],
    config: C,
    inputs: N,
    terms: Terms,
    exhibits: Callable[[Path], Iterable[Exhibit]] = nothing_to_show,
) -> Obtained[R]:
    """Run a stage, which asks the store first and leases a device only for what it has to build.

    What `exhibits` makes of the artifact's folder is shown in the user interface, of a cached one too.

    What comes back for a cached artifact is a state named "Cached", so that the task run is shown as such.
    Read such a task's result from its state: a plain call hands out the state itself.
    """
    store = terms.store()
    obtained = stage(config, inputs, StageContext(store, current_progress(), terms.device))
    exhibit(terms.subject, exhibits(store.folder(obtained.ref)))
    if obtained.cached:
        return cast(Obtained[R], Completed(name="Cached", message=obtained.ref.digest, data=obtained))
    return obtained
