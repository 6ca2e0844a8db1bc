"""What a run would find in the store and what it would build, without doing any of it."""

from dataclasses import dataclass

from flows.performers import rehearse
from flows.personalize import chain
from flows.reuse import check_reuse
from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.models.source import resolve_base
from moongate.runs import Origin, Verb


@dataclass(frozen=True)
class PlannedStage:
    """One stage instance that a run would perform, and whether the store has its artifact."""

    stage: str
    role: str
    digest: str
    cached: bool


def plan(config: RunConfig, until: Verb, origin: Origin = Origin()) -> tuple[PlannedStage, ...]:  # noqa: B008
    """Return the stage instances of a run up to `until`, in order; `record` is never cached.

    Raises:
        MoongateError: as the run itself would, for what is wrong with its folders, models or settings.
    """
    store, base = Store.from_environment(), resolve_base(config.base)
    check_reuse(store, origin, lambda rehearsed: chain(config, base, rehearsed))
    return tuple(
        PlannedStage(recipe.stage, role, recipe.digest, cached=store.find(recipe) is not None)
        for role, recipe in rehearse(until, lambda rehearsed: chain(config, base, rehearsed))
    )
