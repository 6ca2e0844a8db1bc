"""What a run would find in the store and what it would build, without doing any of it."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

from prefect import Task

from flows.ingredients import Ingredients
from flows.intake import take_in
from flows.performers import rehearse
from flows.personalize import chain
from flows.reuse import check_reuse
from moongate.artifacts.refs import Ref
from moongate.artifacts.store import Obtained, Store
from moongate.config import RunConfig
from moongate.models.source import resolve_base
from moongate.runs import Origin, Verb
from moongate.stages.context import StageContext
from moongate.stages.ingest import ingest

R = TypeVar("R", bound=Ref)


@dataclass(frozen=True)
class PlannedStage:
    """One stage instance that a run would perform, and whether the store has its artifact."""

    stage: str
    role: str
    digest: str
    cached: bool


def look_into_folders(config: RunConfig) -> None:
    """Read every picture and caption of a run as the run itself would, and keep nothing of it.

    Raises:
        UnusableFoldersError: when files cannot be used, with what is wrong with each.
    """
    with TemporaryDirectory() as scratch:
        context = StageContext(Store(Path(scratch)))

        def look(stage: Task[..., Obtained[R]], role: str, config: Any, inputs: Any) -> R:
            return cast(R, ingest(config, inputs, context).ref)

        take_in(Ingredients(config, resolve_base(config.base)), look)


def plan(config: RunConfig, until: Verb, origin: Origin = Origin()) -> tuple[PlannedStage, ...]:  # noqa: B008
    """Return the stage instances of a run up to `until`, in order; `record` is never cached.

    What the store has not taken in yet is looked into, picture by picture.

    Raises:
        MoongateError: as the run itself would, for what is wrong with its folders, models or settings.
    """
    store, base = Store.from_environment(), resolve_base(config.base)
    check_reuse(store, origin, lambda rehearsed: chain(config, base, rehearsed))
    planned = tuple(
        PlannedStage(recipe.stage, role, recipe.digest, cached=store.find(recipe) is not None)
        for role, recipe in rehearse(until, lambda rehearsed: chain(config, base, rehearsed))
    )
    if not all(stage.cached for stage in planned if stage.stage == "ingest"):
        look_into_folders(config)
    return planned
