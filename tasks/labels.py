"""What the server is told of a task run while it works: its stage and role, and the device that it got."""

from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from uuid import UUID

from httpx import HTTPError
from prefect import get_client, runtime
from prefect.context import TaskRunContext
from prefect.events.worker import EventsWorker
from prefect.exceptions import PrefectException
from prefect.logging.handlers import APILogWorker

FLUSH_TIMEOUT_S = 5
_ON, _TAG = " on ", "device:"


def task_run_name() -> str:
    """Return the name of the task run that this is called in; "a stage" outside of one."""
    return runtime.task_run.name or "a stage"


def flush_reports() -> None:
    """Send what Prefect's background threads still hold, for the process is about to end."""
    APILogWorker.drain_all(timeout=FLUSH_TIMEOUT_S)
    EventsWorker.drain_all(timeout=FLUSH_TIMEOUT_S)


def label_with_stage(stage: str | None = None) -> None:
    """Tag the task run that this is called in with its stage; None stands for the task's own name.

    A tag of the task itself would make Prefect ask the server for a concurrency slot before every task, and
    fail the flow run when it is away; nothing else that a task does needs the server.
    """
    if (context := TaskRunContext.get()) is not None:
        context.task_run.tags = [*context.task_run.tags, f"stage:{stage or context.task.name}"]


def label_with_device(device: str) -> None:
    """Add the device to name and tags of the task run that this is called in.

    A device is known only in the middle of a task. Its end is reported with the new name and tags; meanwhile
    the server is told the name, by a thread: where the server is away, asking takes a minute.
    """
    context = TaskRunContext.get()
    if context is None:
        return
    task_run = context.task_run
    # A second try may get another device, and is the same task run.
    task_run.name = f"{task_run.name.partition(_ON)[0]}{_ON}{device}"
    task_run.tags = [*(tag for tag in task_run.tags if not tag.startswith(_TAG)), f"{_TAG}{device}"]
    telling = copy_context()
    Thread(target=telling.run, args=(_tell_name, task_run.id, task_run.name), daemon=True).start()


def _tell_name(task_run_id: UUID, name: str) -> None:
    with suppress(HTTPError, PrefectException), get_client(sync_client=True) as client:
        client.set_task_run_name(task_run_id, name)
