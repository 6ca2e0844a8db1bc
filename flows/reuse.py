"""What a repeated run may reuse: what comes before the stage it starts from, as the earlier run had it."""

import shlex
from collections.abc import Callable
from typing import Any

from flows.performers import Perform, rehearse
from moongate.artifacts.differences import Lookup, Statement, causes, sentence
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.store import Store
from moongate.errors import ConfigError
from moongate.runs import VERBS, Origin, StageEntry, load_run


def check_reuse(store: Store, origin: Origin, chain: Callable[[Perform], object]) -> None:
    """Check that what comes before the stage to be repeated is what the earlier run had.

    A stage that the earlier run did not come to is not compared; it will be built.

    Raises:
        ConfigError: when a setting or a file has changed that an earlier stage depends on.
    """
    if origin.parent is None or origin.from_stage in (None, VERBS[0]):
        return
    parent = load_run(store.root, origin.parent)
    had = {(entry.stage, entry.role): entry for entry in parent.current()}
    before = VERBS[VERBS.index(origin.from_stage) - 1]
    planned = rehearse(before, chain)
    lookup = _lookup(store, planned)
    for role, recipe in planned:
        entry = had.get((recipe.stage, role))  # type: ignore[arg-type]
        if entry is not None and entry.digest != recipe.digest:
            raise _changed(origin, entry, recipe, lookup)


def _lookup(store: Store, planned: tuple[tuple[str, Recipe[Any]], ...]) -> Lookup:
    """Return what finds the statement of an artifact, planned or stored."""
    statements = {recipe.digest: Statement.of_recipe(recipe) for _, recipe in planned}

    def lookup(digest: str) -> Statement | None:
        if digest in statements:
            return statements[digest]
        manifest = store.look_up(digest)
        return Statement.of_manifest(manifest) if manifest else None

    return lookup


def _changed(origin: Origin, entry: StageEntry, recipe: Recipe[Any], lookup: Lookup) -> ConfigError:
    earlier = lookup(entry.digest)
    found = causes(earlier, Statement.of_recipe(recipe), lookup) if earlier else ()
    changes = "".join(f" --set {shlex.quote(one)}" for one in origin.overrides)
    why = sentence(found) or "its artifact is no longer in the store to compare with"
    return ConfigError(
        f"{entry.stage} comes before {origin.from_stage}, and would not be what the earlier run had",
        where=f"{entry.stage} {entry.role} of {origin.parent}",
        why=why,
        fix=f"start from there: moongate rerun {origin.parent} --stage {entry.stage}{changes}",
    )
