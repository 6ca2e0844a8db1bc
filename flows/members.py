"""The runs of a campaign, each a flow of its own: one after the other here, or side by side on workers."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any

from prefect import State, task
from prefect.cache_policies import NO_CACHE

from flows.engines.choice import EngineChoice
from flows.engines.fleet import Fleet, opened
from flows.outages import PATIENT, LostServerError, Patience, outlasting
from flows.personalize import personalize
from moongate.artifacts.store import Store
from moongate.campaign.members import Member
from moongate.campaign.outcomes import Outcome, outcome_of, outcome_of_failure, outcome_without_run
from moongate.config import RunConfig
from moongate.runs import RunRecord, run_of
from tasks.workplace import Workplace

_log = logging.getLogger("moongate.campaign")

# Yields the outcome of each member as soon as it is there: whichever ends first comes first.
PerformAll = Callable[[Sequence[Member]], Iterator[Outcome]]


@contextmanager
def performing(choice: EngineChoice) -> Iterator[PerformAll]:
    """Yield what performs members and goes on when one fails.

    Raises:
        ConfigError, EngineError: when the engine cannot be used.
    """
    if choice.kind == "local":
        yield one_after_the_other
        return
    with opened(choice) as fleet:
        yield partial(side_by_side, fleet, Workplace.here())


def one_after_the_other(members: Sequence[Member]) -> Iterator[Outcome]:
    """Perform members in this process."""
    store = Store.from_environment()
    for number, member in enumerate(members, start=1):
        _log.info("%d of %d  %s", number, len(members), member.name)
        yield _told(perform_member(member, store))


def side_by_side(fleet: Fleet, workplace: Workplace, members: Sequence[Member]) -> Iterator[Outcome]:
    """Hand each member to the workers; one whose workers die again and again costs no other."""
    begun = perf_counter()
    futures = [fleet.submit(perform_away, member=member, workplace=workplace) for member in members]
    ended = fleet.as_completed(futures)
    for number, (place, found) in enumerate(ended, start=1):
        if isinstance(found, Exception) and not isinstance(found, LostServerError):
            found = outcome_without_run(members[place], found, perf_counter() - begun)
        elif isinstance(found, BaseException):
            raise found
        _log.info("%d of %d done  %s", number, len(members), found.name)
        yield _told(found)


@task(name="member", task_run_name="{member.name}", cache_policy=NO_CACHE, persist_result=False)
def perform_away(member: Member, workplace: Workplace) -> Outcome:
    """Perform a member in a worker's process, in the folders of the command."""
    with workplace.entered():
        return perform_member(member, Store.from_environment())


def perform_member(member: Member, store: Store, patience: Patience = PATIENT) -> Outcome:
    """Run a member as a flow, and return what came of it whatever that is.

    While the Prefect server is out of reach it is waited for: what failed within a run comes back in the
    state, so what is raised tells that the run could not be entered there, or its end not be reported. In
    that case everything is in the store, and the run is repeated from it.

    Raises:
        LostServerError: when it stays out of reach, and so for every member that is still to come.
    """
    started, begun = perf_counter(), datetime.now(UTC)
    config = member.config
    if not isinstance(config, RunConfig):
        return outcome_without_run(member, config, perf_counter() - started)
    state: State[RunRecord] | None = None
    try:
        state = outlasting(lambda: personalize(config, return_state=True), patience)
        finished = state.result()
    except LostServerError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever ended one run, the others go on
        record = _record_of(state, store, begun) if state is not None else None
        if record is None:
            return outcome_without_run(member, error, perf_counter() - started)
        return outcome_of_failure(store, member, record, error)
    return outcome_of(store, member, finished)


def _record_of(state: State[Any], store: Store, begun: datetime) -> RunRecord | None:
    """Return the record of a run that failed, or None when it never got one."""
    return run_of(store.root, str(state.state_details.flow_run_id), begun)


def _told(outcome: Outcome) -> Outcome:
    if outcome.failed:
        _log.warning("%s failed: %s", outcome.name, outcome.error)
    return outcome
