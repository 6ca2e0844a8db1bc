"""Why a stage was built or reused in a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from moongate.artifacts.differences import Statement, causes, compare, sentence
from moongate.artifacts.store import Store
from moongate.errors import InputError
from moongate.runs import RunRecord, StageEntry, Verb, list_runs

Outcome = Literal["built", "reused"]


@dataclass(frozen=True)
class Reason:
    """Why one stage instance of a run was built or reused, as one line."""

    stage: Verb
    role: str
    outcome: Outcome
    why: str

    def __str__(self) -> str:
        return f"{self.stage} {self.role} was {self.outcome}: {self.why}"


@dataclass(frozen=True)
class _Earlier:
    """A stage instance of a run that started before the one in question."""

    run_id: str
    entry: StageEntry


def explain(store: Store, run: RunRecord, stage: Verb | None = None) -> tuple[Reason, ...]:
    """Return the reason of each instance of a stage in a run's last attempt; of every stage when it is None.

    What a stage would have depended on is read from the recipes in the store. A built one is compared with
    the nearest earlier artifact of the same stage and role: the one whose recipe differs in fewest things.

    Raises:
        InputError: when the run did not come to this stage.
    """
    entries = [entry for entry in run.current() if stage in (None, entry.stage)]
    if not entries:
        raise InputError(
            f"run {run.run_id} has no stage {stage}" if stage else f"run {run.run_id} has no stage yet",
            where=run.run_id,
            why=f"it was asked for the stages up to {run.until}, and it is {run.status}",
            fix=f"see what it did: moongate show {run.run_id}",
        )
    earlier = tuple(_before(store, run))
    return tuple(_explain(store, run, entry, earlier) for entry in entries)


def _before(store: Store, run: RunRecord) -> Iterator[_Earlier]:
    """Yield the stage instances of earlier runs, newest run first, and of this run's earlier attempts."""
    for entry in reversed(run.stages):
        if entry.attempt != run.attempt:
            yield _Earlier(run.run_id, entry)
    for other in list_runs(store.root):
        if other.started_utc < run.started_utc and other.run_id != run.run_id:
            yield from (_Earlier(other.run_id, entry) for entry in reversed(other.stages))


def _explain(store: Store, run: RunRecord, entry: StageEntry, earlier: Sequence[_Earlier]) -> Reason:
    outcome: Outcome = "reused" if entry.cached else "built"
    if entry.stage == "record":
        why = "a record is the run's own and is always written"
    elif entry.rebuilt:
        why = f"a second build was forced; beside the stored artifact it is {entry.rebuilt}"
    elif entry.cached:
        why = _why_reused(store, run, entry, earlier)
    else:
        why = _why_built(store, entry, earlier)
    return Reason(entry.stage, entry.role, outcome, why)


def _why_reused(store: Store, run: RunRecord, entry: StageEntry, earlier: Sequence[_Earlier]) -> str:
    for one in earlier:
        if one.entry.digest == entry.digest and not one.entry.cached:
            own = f"attempt {one.entry.attempt} of this run"
            return f"{own if one.run_id == run.run_id else one.run_id} built it from the same recipe"
    manifest = store.look_up(entry.digest)
    made = f", made {manifest.created}" if manifest else ""
    return f"the store had it from the same recipe{made}, by a run that is no longer known or ran beside it"


def _why_built(store: Store, entry: StageEntry, earlier: Sequence[_Earlier]) -> str:
    alike = [one for one in earlier if (one.entry.stage, one.entry.role) == (entry.stage, entry.role)]
    if not alike:
        article = "an" if entry.stage[0] in "aeiou" else "a"
        return f"no earlier run in this store has {article} {entry.stage} {entry.role}"
    if same := [one.run_id for one in alike if one.entry.digest == entry.digest]:
        return f"the recipe is that of {same[0]}, but the store had lost the artifact (removed or damaged)"
    if (own := _stated(store, entry.digest)) is None:
        return "its artifact is no longer in the store, and with it what it was made from"
    if (nearest := _nearest(store, own, alike)) is None:
        return "no earlier artifact is left in the store to compare with"
    run_id, statement = nearest
    found = causes(statement, own, lambda digest: _stated(store, digest))
    return f"{sentence(found)} (compared with {run_id})"


def _nearest(store: Store, own: Statement, alike: Sequence[_Earlier]) -> tuple[str, Statement] | None:
    """Return the run and the recipe with the fewest differences; of several, the newest."""
    run_of: dict[str, str] = {}
    for one in alike:
        run_of.setdefault(one.entry.digest, one.run_id)
    stated = [(run_id, _stated(store, digest)) for digest, run_id in run_of.items()]
    known = [(run_id, statement) for run_id, statement in stated if statement is not None]
    return min(known, key=lambda pair: len(compare(pair[1], own)), default=None)


def _stated(store: Store, digest: str) -> Statement | None:
    manifest = store.look_up(digest)
    return Statement.of_manifest(manifest) if manifest else None
