"""The store: artifacts under their content address, published whole or not at all, verified before reuse.

Layout under the root:

    artifacts/<stage>/<digest>/   files of one artifact beside its `artifact.json`; read-only by agreement
    locks/<stage>-<digest>.lock   one OS lock per address, released by the system when its process dies;
                                  with `.again` before `.lock`, one for second builds; with
                                  `.<i>-of-<n>`, one for a shard of a build
    locks/collection.lock         held while an artifact is removed, shared while one is marked as used
    scratch/<stage>/<digest>/     what an interrupted build may go on from; removed once it is published

The modification time of an artifact's folder says when it was last asked for. It decides nothing but what
may be removed.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4

from moongate.artifacts.durability import sync_folder, sync_tree
from moongate.artifacts.locks import exclusive, shared
from moongate.artifacts.manifest import MANIFEST_NAME, BuildFacts, Manifest, describe, read_manifest
from moongate.artifacts.peak_memory import peak_memory_bytes, restart_peak_memory
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import Ref
from moongate.artifacts.room import require_room, require_writable, writing_explained
from moongate.artifacts.shards import NOTHING_TO_DO, Shard, ShardDone
from moongate.errors import StoreError

__all__ = ["BuildFacts", "Manifest", "Obtained", "Store"]

R = TypeVar("R", bound=Ref)
HOME_VARIABLE = "MOONGATE_HOME"
COLLECTION_LOCK = "collection.lock"
# So many digits of a digest name an unfinished build.
SHORT = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Obtained(Generic[R]):
    """An artifact that is now in the store, and what it cost this time.

    Attributes:
        ref: the artifact's address.
        cached: True when nothing was built.
        wall_s: seconds spent here, waiting for another builder included.
        facts: of the build; `unet_evals` is 0 when cached, for none was evaluated now.
        peak_memory_bytes: highest resident memory of this process meanwhile.
        lost: items without a value, which the run is told to go on without.
        rebuilt: how a second build compared with the stored artifact, in words; empty when there was none.
        leased: the device that was held for it, as every process of the host knows it; empty for none.
    """

    ref: R
    cached: bool
    wall_s: float
    facts: BuildFacts
    peak_memory_bytes: int
    rebuilt: str = ""
    lost: int = 0
    leased: str = ""


class Store:
    """A folder of artifacts that runs in parallel may share: one builds, the others wait and reuse."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_environment(cls) -> Self:
        """Return the store at $MOONGATE_HOME, or at `./store` when that is unset or empty."""
        return cls(Path(os.environ.get(HOME_VARIABLE) or "store"))

    def require_writable(self) -> None:
        """Make the store when it is missing, and do nothing when it can be written.

        Raises:
            StoreError: when it cannot.
        """
        require_writable(self.root)

    def require_room(self, needed: int, stage: str) -> None:
        """Do nothing when there is room for `needed` bytes more; call it first in a build.

        Raises:
            StoreError: when there is not; it says how much is needed and how much is free.
        """
        require_room(self.root, needed, f"the {stage} stage")

    def find(self, recipe: Recipe[R]) -> R | None:
        """Return the reference when the artifact is complete and every sha256 is as recorded.

        A damaged artifact is logged as a warning, set aside under `.corrupt-...` and counts as absent.
        """
        folder = self._address(recipe)
        if not folder.exists():
            return None
        self._mark_used(folder)
        if not _problems(folder):
            return recipe.ref
        with self._lock(recipe):
            return recipe.ref if self._verified(recipe) else None

    def folder(self, ref: Ref) -> Path:
        """Return the folder of a published artifact.

        Raises:
            StoreError: when the store has no such artifact.
        """
        for manifest in self.root.glob(f"artifacts/*/{ref.digest}/{MANIFEST_NAME}"):
            return manifest.parent
        raise StoreError(
            f"no {ref.kind} {ref.digest[:12]} in the store",
            where=str(self.root / "artifacts"),
            why=f"no stage has published an artifact with the digest {ref.digest}",
            fix="run the stage that makes it, or point MOONGATE_HOME at the store that has it",
        )

    def manifest(self, ref: Ref) -> Manifest:
        """Return what `artifact.json` says of an artifact.

        Raises:
            StoreError: when the artifact is absent, or its manifest cannot be read.
        """
        folder = self.folder(ref)
        if (manifest := read_manifest(folder)) is None:
            raise StoreError(
                f"the manifest of {ref.kind} {ref.digest[:12]} cannot be read",
                where=str(folder / MANIFEST_NAME),
                why="it is not the JSON that this version writes",
                fix="remove the folder and run the stage again",
            )
        return manifest

    def look_up(self, digest: str) -> Manifest | None:
        """Return what is recorded of the artifact with this digest; None when there is none, or no record."""
        for manifest in self.root.glob(f"artifacts/*/{digest}/{MANIFEST_NAME}"):
            return read_manifest(manifest.parent)
        return None

    def obtain(self, recipe: Recipe[R], build: Callable[[Path], BuildFacts | None]) -> Obtained[R]:
        """Return the artifact of `recipe`, building it only when the store lacks it.

        Args:
            recipe: decides the address.
            build: writes the artifact's files into the empty folder it is given. What it leaves there is
                hashed, synced and published by one rename; when it raises, nothing is published.

        Raises:
            StoreError: when the disk is full, or cannot be written.
        """
        started = perf_counter()
        restart_peak_memory()
        if self.find(recipe) is None:
            with self._lock(recipe):
                if not self._verified(recipe):
                    facts = self._build(recipe, build)
                    wall_s = perf_counter() - started
                    return Obtained(recipe.ref, False, wall_s, facts, peak_memory_bytes())
        facts = replace(self.manifest(recipe.ref).facts, unet_evals=0)
        return Obtained(recipe.ref, True, perf_counter() - started, facts, peak_memory_bytes())

    def share(self, recipe: Recipe[Any], shard: Shard, compute: Callable[[], ShardDone]) -> ShardDone:
        """Have a shard of a build computed, unless nobody needs it: the store has the artifact by now.

        Args:
            recipe: of the whole artifact.
            shard: which share of its batches.
            compute: computes it and leaves its batches in the scratch folder; nobody computes the same shard
                beside this process.
        """
        with self._sharing(recipe, shard):
            if self.find(recipe) is not None:
                return NOTHING_TO_DO
            done = compute()
            # Another run may have published meanwhile. It has removed what it did not need, but what was left
            # here after that would stay: the last of the shards to come here removes it.
            if self.find(recipe) is not None:
                self._drop_scratch(recipe)
            return done

    @contextmanager
    def _sharing(self, recipe: Recipe[Any], shard: Shard) -> Iterator[None]:
        """Hold the lock of a shard."""
        name = f"{recipe.stage}-{recipe.digest}.{shard.index}-of-{shard.count}.lock"
        with exclusive(self.root / "locks" / name):
            yield

    def scratch(self, recipe: Recipe[Any]) -> Path:
        """Return a folder for checkpoints that outlives a killed build of `recipe`.

        Use it within `build`, or while holding the lock of a shard.
        """
        folder = self._scratch(recipe)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _address(self, recipe: Recipe[Any]) -> Path:
        return self.root / "artifacts" / recipe.stage / recipe.digest

    def _scratch(self, recipe: Recipe[Any]) -> Path:
        return self.root / "scratch" / recipe.stage / recipe.digest

    def _drop_scratch(self, recipe: Recipe[Any]) -> None:
        shutil.rmtree(self._scratch(recipe), ignore_errors=True)

    def _mark_used(self, folder: Path) -> None:
        """Say that an artifact is needed from now on, so that it is not removed as unused.

        It is marked before it is verified: what a collection takes away in between is then found to be gone.
        """
        # Nothing can be removed from a store that cannot be written, so there the mark is not needed.
        with suppress(OSError), shared(self.root / "locks" / COLLECTION_LOCK):
            os.utime(folder)

    def _verified(self, recipe: Recipe[Any]) -> bool:
        """Tell whether a sound artifact is there, setting a damaged one aside. The caller holds the lock."""
        folder = self._address(recipe)
        if not folder.exists():
            return False
        if not (problems := _problems(folder)):
            return True
        aside = folder.with_name(f".corrupt-{recipe.digest[:SHORT]}-{uuid4().hex[:8]}")
        folder.rename(aside)
        _log.warning(
            "Artifact %s/%s is damaged and will be built again (%s). It was set aside as %s.",
            recipe.stage,
            recipe.digest[:12],
            "; ".join(problems),
            aside,
        )
        return False

    def _build(self, recipe: Recipe[Any], build: Callable[[Path], BuildFacts | None]) -> BuildFacts:
        """Build into a temporary sibling and publish it by one rename. The caller holds the lock."""
        address = self._address(recipe)
        started = perf_counter()
        with self._workspace(address, "building") as building:
            facts = build(building) or BuildFacts()
            manifest = describe(
                recipe,
                building,
                facts,
                wall_s=perf_counter() - started,
                peak_memory_bytes=peak_memory_bytes(),
            )
            (building / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
            sync_tree(building)
            building.rename(address)
            sync_folder(address.parent)
        self._drop_scratch(recipe)
        return facts

    @contextmanager
    def _workspace(self, address: Path, purpose: str) -> Iterator[Path]:
        """Yield an empty sibling of an address to build in, removed afterwards. The caller holds the lock.

        Raises:
            StoreError: when the disk is full, or cannot be written.
        """
        prefix = f".{purpose}-{address.name[:SHORT]}-"
        _sweep(address.parent, prefix)
        folder = address.with_name(f"{prefix}{uuid4().hex[:8]}")
        try:
            with writing_explained(address.parent):
                folder.mkdir(parents=True)
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _lock(self, recipe: Recipe[Any]) -> Iterator[None]:
        """Hold the address's OS lock."""

        def tell() -> None:
            _log.info("Waiting: another run is building %s/%s.", recipe.stage, recipe.digest[:12])

        with exclusive(self.root / "locks" / f"{recipe.stage}-{recipe.digest}.lock", tell):
            yield


def _problems(folder: Path) -> tuple[str, ...]:
    manifest = read_manifest(folder)
    return (f"{MANIFEST_NAME}: missing or unreadable",) if manifest is None else manifest.problems(folder)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove what killed builds of one address left; holding its lock proves that nobody writes there."""
    for debris in parent.glob(f"{prefix}*"):
        shutil.rmtree(debris)
