from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.states import Failed

from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import MetricsRef
from moongate.artifacts.store import BuildFacts, Obtained
from moongate.errors import InputError
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
