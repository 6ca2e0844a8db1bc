"""A store that builds again what it has already, to see whether the result is the same."""

import logging
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from moongate.artifacts.locks import exclusive
from moongate.artifacts.manifest import BuildFacts
from moongate.artifacts.peak_memory import peak_memory_bytes, restart_peak_memory
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import Ref
from moongate.artifacts.sameness import compare_builds
from moongate.artifacts.shards import Shard, ShardDone
from moongate.artifacts.store import Obtained, Store

R = TypeVar("R", bound=Ref)

_log = logging.getLogger(__name__)


class Rebuilding(Store):
    """Builds every artifact that is asked for, and tells how it compares with the stored one.

    The stored artifact stays, whatever comes out: others were made from its bytes, and the address is the
    same. So the store is never without a valid artifact, and what was built a second time is dropped.
    """

    def obtain(self, recipe: Recipe[R], build: Callable[[Path], BuildFacts | None]) -> Obtained[R]:
        """Return the artifact of `recipe` after building it once more; it is published if it was not there.

        Raises:
            StoreError: when the disk is full.
        """
        # A lock of its own: runs that only need the stored artifact do not wait for a second build of it.
        with exclusive(self.root / "locks" / f"{recipe.stage}-{recipe.digest}.again.lock"):
            if self.find(recipe) is None:
                return super().obtain(recipe, build)
            return self._build_again(recipe, build)

    def share(self, recipe: Recipe[Any], shard: Shard, compute: Callable[[], ShardDone]) -> ShardDone:
        """Have a shard of a second build computed: that the store has the artifact is no reason not to."""
        with self._sharing(recipe, shard):
            return compute()

    def _build_again(self, recipe: Recipe[R], build: Callable[[Path], BuildFacts | None]) -> Obtained[R]:
        started = perf_counter()
        restart_peak_memory()
        address = self._address(recipe)
        with self._workspace(address, "rebuilding") as folder:
            facts = build(folder) or BuildFacts()
            sameness = compare_builds(address, self.manifest(recipe.ref).files, folder)
        self._drop_scratch(recipe)
        if sameness.differing:
            _log.warning("A second build of %s/%s is %s.", recipe.stage, recipe.digest[:12], sameness)
        wall_s = perf_counter() - started
        return Obtained(recipe.ref, False, wall_s, facts, peak_memory_bytes(), str(sameness))

    def _scratch(self, recipe: Recipe[Any]) -> Path:
        return super()._scratch(recipe).with_name(f"{recipe.digest}.again")
