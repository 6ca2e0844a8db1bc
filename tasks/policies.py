"""What all stage tasks have in common: retries, and how cached results are shown."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
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
from moongate.models.tenancy import Tenant, tenancy
from moongate.progress import Progress
from moongate.runs import run_folder
from moongate.stages.context import StageContext
from moongate.watchdog import REPORT_NAME, Watched, limit_of, watched
from tasks.exhibits import exhibit
from tasks.labels import flush_reports, label_with_device, label_with_stage, task_run_name
from tasks.progress import current_progress
from tasks.transience import is_lost_connection
from tasks.workplace import Workplace

C = TypeVar("C")
N = TypeVar("N")
R = TypeVar("R", bound=Ref)


def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Tell whether trying again can help: after a lost connection, yes; a computation fails the same way."""
    try:
        state.result()
    except BaseException as error:  # noqa: BLE001 - whatever the task raised is what is asked about
        return is_lost_connection(error)
    return False


@dataclass(frozen=True)
class Terms:
    """On what terms a stage is performed; none of them changes what it gives.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        deterministic: compute only with kernels that give the same bits each time.
        rebuild: build a second time what the store has, and say how the result compares.
        run_id: the run that it is performed for; those who wait for its device are told.
        subject: whose run it is, for names in a user interface.
        workplace: of the process that hands out the task; None when that is this one.
    """

    device: str = "auto"
    deterministic: bool = False
    rebuild: bool = False
    run_id: str = ""
    subject: str = ""
    workplace: Workplace | None = None

    def arrived(self) -> AbstractContextManager[None]:
        """Return what surrounds the work: the folders of the process that handed it out.

        Raises:
            StoreError: when this host does not see one of them.
        """
        return self.workplace.entered() if self.workplace else nullcontext()

    def kernels(self) -> AbstractContextManager[None]:
        """Return what surrounds computing; without a wish for certain kernels, torch is not loaded for it."""
        if not self.deterministic:
            return nullcontext()
        from moongate.models.kernels import deterministic_kernels

        return deterministic_kernels()

    def store(self) -> Store:
        """Return the store that the stage asks; call it after having arrived."""
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


@contextmanager
def at_work(terms: Terms, report_name: str = REPORT_NAME) -> Iterator[tuple[StageContext, Tenant]]:
    """Yield what a stage is run with, and on whose behalf it holds devices; watched, once it has one.

    Args:
        terms: those of the stage; call it after having arrived.
        report_name: of the watchdog's file in the run's folder; no two processes may share one.
    """
    store, whose = terms.store(), f"of {terms.run_id or 'no run'}"
    folder = run_folder(store.root, terms.run_id)
    with terms.kernels(), on_behalf(whose, folder, report_name) as (progress, tenant):
        yield StageContext(store, progress, terms.device), tenant


@contextmanager
def on_behalf(whose: str, folder: Path, report_name: str = REPORT_NAME) -> Iterator[tuple[Progress, Tenant]]:
    """Yield what the task that this is called in reports progress to, and as whom it holds devices.

    It is watched once it has a device or shows progress, and its name and tags then have the device.

    Args:
        whose: what comes after the task's name where others are told who holds a device.
        folder: where the watchdog leaves its report.
        report_name: of that file; no two processes may share one.
    """
    purpose = f"{task_run_name()} {whose}"
    with watched(limit_of(os.environ), purpose, folder, flush_reports, report_name) as sign_of_life:

        def on_lease(device: str) -> None:
            # Watching starts here, for it may take hours until a device is free.
            sign_of_life()
            label_with_device(device)

        with tenancy(Tenant(purpose, on_lease)) as tenant:
            yield Watched(current_progress(), sign_of_life), tenant


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
    label_with_stage()
    with terms.arrived():
        with at_work(terms) as (context, tenant):
            obtained = stage(config, inputs, context)
        exhibit(terms.subject, exhibits(context.store.folder(obtained.ref)))
    if obtained.cached:
        return cast(Obtained[R], Completed(name="Cached", message=obtained.ref.digest, data=obtained))
    return replace(obtained, leased=", ".join(tenant.devices))
