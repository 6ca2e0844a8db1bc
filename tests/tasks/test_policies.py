import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from uuid import UUID

import pytest
import torch
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Failed

from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import MetricsRef
from moongate.artifacts.store import BuildFacts, Obtained
from moongate.errors import InputError
from moongate.models.leases import leased_device
from moongate.runs import VERBS
from moongate.settings import Settings
from moongate.stages.context import StageContext
from tasks.policies import STAGE_POLICY, Terms, is_transient, performed
from tasks.progress import reporting_to


class CountConfig(Settings):
    number: int = 1


@dataclass(frozen=True)
class CountInputs:
    text: str = "ducks"


def count_recipe(config: CountConfig, inputs: CountInputs) -> Recipe[MetricsRef]:
    return Recipe("count", 1, config, (("text", inputs.text),), MetricsRef)


def count(config: CountConfig, inputs: CountInputs, context: StageContext) -> Obtained[MetricsRef]:
    def build(folder: Path) -> BuildFacts:
        with context.progress.track("count", config.number) as advance:
            (folder / "count.txt").write_text(inputs.text * config.number)
            advance(config.number)
        return BuildFacts(items=config.number, device=context.device)

    return context.store.obtain(count_recipe(config, inputs), build)


@task(name="count", **STAGE_POLICY)
def count_task(config: CountConfig, inputs: CountInputs) -> Obtained[MetricsRef]:
    return performed(count, config, inputs, Terms("cpu"))


def leasing(config: CountConfig, inputs: CountInputs, context: StageContext) -> Obtained[MetricsRef]:
    def build(folder: Path) -> BuildFacts:
        with leased_device(context.device) as device:
            (folder / "count.txt").write_text(device)
        return BuildFacts(items=1, device=device)

    return context.store.obtain(count_recipe(config, inputs), build)


@task(name="sample", task_run_name="sample {role}", **STAGE_POLICY)
def leasing_task(role: str, config: CountConfig, inputs: CountInputs) -> Obtained[MetricsRef]:
    return performed(leasing, config, inputs, Terms("cpu", run_id="r1"))


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONGATE_HOME", str(tmp_path))


@pytest.mark.usefixtures("prefect_server")
def test_a_stage_is_built_once_and_then_shown_as_cached() -> None:
    @flow
    def twice() -> list[tuple[str, Obtained[MetricsRef]]]:
        states = [count_task(CountConfig(), CountInputs(), return_state=True) for _ in range(2)]
        return [(state.name, state.result()) for state in states]

    (first_name, first), (second_name, second) = twice()
    assert (first_name, first.cached, first.facts.items) == ("Completed", False, 1)
    assert (second_name, second.cached, second.facts.unet_evals) == ("Cached", True, 0)
    assert first.ref == second.ref


@pytest.mark.usefixtures("prefect_server")
def test_a_task_run_is_named_and_tagged_by_the_device_that_it_holds_and_a_cached_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONGATE_DEVICE_SLOTS", "1")
    monkeypatch.setenv("MOONGATE_DEVICE_LOCKS", str(tmp_path / "devices"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    @flow
    def twice() -> list[tuple[UUID, Obtained[MetricsRef]]]:
        states = [leasing_task("base", CountConfig(), CountInputs(), return_state=True) for _ in range(2)]
        return [(state.state_details.task_run_id, state.result()) for state in states]

    (built_id, built), (cached_id, cached) = twice()
    slot = f"slot-0@{socket.gethostname()}"
    assert (built.leased, cached.leased) == (slot, "")
    assert recorded(built_id) == (f"sample base on {slot}", {"stage:sample", f"device:{slot}"})
    assert recorded(cached_id) == ("sample base", {"stage:sample"})


def recorded(task_run_id: UUID) -> tuple[str, set[str]]:
    """Name and tags of a task run on the server, once its end has been recorded there."""
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            with suppress(ObjectNotFound):
                task_run = client.read_task_run(task_run_id)
                if task_run.state and task_run.state.is_final():
                    return task_run.name, set(task_run.tags)
            time.sleep(0.1)
    raise AssertionError("the end of the task run was never recorded")


@pytest.mark.parametrize("name", [*VERBS, "pretrain"])
def test_a_task_has_no_tag_of_its_own_which_would_need_the_server_before_it_can_begin(name: str) -> None:
    assert getattr(import_module(f"tasks.{name}"), name).tags == set()


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_stage_computes_with_deterministic_kernels_where_the_run_asks_for_them(deterministic: bool) -> None:
    def note(config: CountConfig, inputs: CountInputs, context: StageContext) -> Obtained[MetricsRef]:
        def build(folder: Path) -> BuildFacts:
            (folder / "kernels.txt").write_text(str(torch.are_deterministic_algorithms_enabled()))
            return BuildFacts(items=1)

        return context.store.obtain(count_recipe(config, inputs), build)

    terms = Terms("cpu", deterministic)
    ref = performed(note, CountConfig(), CountInputs(), terms).ref
    assert (terms.store().folder(ref) / "kernels.txt").read_text() == str(deterministic)


def test_a_task_reports_to_the_display_of_its_context() -> None:
    class Display:
        def __init__(self) -> None:
            self.seen: list[tuple[str, int]] = []

        def track(self, description: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
            return nullcontext(lambda advanced: self.seen.append((description, advanced)))

    display, config, inputs = Display(), CountConfig(number=3), CountInputs()
    with reporting_to(display):
        performed(count, config, inputs, Terms("cpu"))
    assert display.seen == [("count", 3)]


@pytest.mark.parametrize(
    ("error", "worth_it"),
    [
        (ConnectionResetError("gone"), True),
        (TimeoutError("late"), True),
        (InputError("bad", where="here", why="so", fix="mend it"), False),
        (MemoryError(), False),
    ],
)
def test_only_a_lost_connection_is_worth_another_try(error: Exception, worth_it: bool) -> None:
    assert is_transient(count_task, None, Failed(data=error)) is worth_it


def test_an_error_caused_by_a_lost_connection_is_worth_another_try() -> None:
    explained = InputError("no model", where="hub", why="offline", fix="try later")
    explained.__cause__ = ConnectionError("offline")
    assert is_transient(count_task, None, Failed(data=explained))
