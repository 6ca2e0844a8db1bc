"""How the stages of a chain are performed: for real, each through its task, or only in rehearsal."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol, TypeVar, cast

from prefect import Task

from flows.announcing import announce
from flows.engines.crews import RECIPES, Crew, here
from flows.events import StageFinished, StageStarted
from moongate import interruption
from moongate.artifacts.peak_memory import restart_peak_memory
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import Ref
from moongate.artifacts.store import Obtained
from moongate.config import RunConfig
from moongate.runs import RECORD_ROLE, VERBS, Run, StageEntry, Verb
from moongate.stages.record import RecordInputs
from tasks.policies import Terms
from tasks.record import record

R = TypeVar("R", bound=Ref)


class EndOfChain(Exception):  # noqa: N818 - not an error: the last stage that was asked for is done
    """The next stage lies beyond the one that was asked for."""


def check_wanted(verb: str, until: Verb) -> None:
    """Raise EndOfChain when the stage `verb` comes after `until`."""
    if VERBS.index(cast(Verb, verb)) > VERBS.index(until):
        raise EndOfChain(verb)


class Perform(Protocol):
    """Gets one stage instance done and returns its artifact's address."""

    def __call__(self, stage: Task[..., Obtained[R]], role: str, config: object, inputs: object) -> R:
        """Perform `stage` with its configuration and inputs; `role` tells apart instances of one stage.

        Raises:
            EndOfChain: when `stage` comes after the last one that was asked for.
            StopError: when the process was asked to stop.
        """
        ...


@dataclass(frozen=True)
class Live:
    """Performs stages as tasks of the current flow run, up to and including `until`.

    `rebuild` names a stage that is built a second time where the store has it already, and `crew` is who
    does the work.
    """

    run: Run
    until: Verb
    rebuild: Verb | None = None
    crew: Crew = here

    def __call__(self, stage: Task[..., Obtained[R]], role: str, config: object, inputs: object) -> R:
        """Have the task done, and note what it gave."""
        check_wanted(stage.name, self.until)
        interruption.heed()
        run, verb = self.run.record, cast(Verb, stage.name)
        announce(StageStarted(run_id=run.run_id, stage=verb, role=role))
        terms = Terms(
            run.config.base.device,
            run.config.base.deterministic,
            rebuild=verb == self.rebuild,
            run_id=run.run_id,
            subject=run.config.subject.name,
        )
        obtained = self.crew(stage, role, config, inputs, terms)
        self._announce_done(self.run.add(verb, role, obtained))
        return obtained.ref

    def record(self, config: RunConfig, inputs: RecordInputs) -> None:
        """Run the last stage, which makes no artifact."""
        check_wanted("record", self.until)
        announce(StageStarted(run_id=self.run.record.run_id, stage="record", role=RECORD_ROLE))
        started = perf_counter()
        restart_peak_memory()
        record(config, inputs)
        self._announce_done(self.run.add_record(perf_counter() - started))

    def _announce_done(self, entry: StageEntry) -> None:
        announce(StageFinished.of(self.run.record.run_id, entry))


class Rehearsed:
    """Performs nothing: works out the recipe of each stage.

    An address follows from its recipe, also when its inputs are still to be built. So a rehearsal knows what
    a run would make, and meets what is wrong with folders, prompts, models and settings before any work.
    """

    def __init__(self, until: Verb) -> None:
        self.instances: list[tuple[str, Recipe[Any]]] = []
        self._until = until

    def __call__(self, stage: Task[..., Obtained[R]], role: str, config: object, inputs: object) -> R:
        """Note the role and the recipe of one stage instance."""
        check_wanted(stage.name, self._until)
        recipe: Recipe[R] = RECIPES[stage.name](config, inputs)
        self.instances.append((role, recipe))
        return recipe.ref


def rehearse(until: Verb, chain: Callable[[Perform], object]) -> tuple[tuple[str, Recipe[Any]], ...]:
    """Return role and recipe of each stage instance of a chain, up to and including `until`.

    Raises:
        MoongateError: as the run itself would, for what is wrong with its folders, models or settings.
    """
    rehearsed = Rehearsed(until)
    with suppress(EndOfChain):
        chain(rehearsed)
    return tuple(rehearsed.instances)
