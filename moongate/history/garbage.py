"""What the store holds and no kept run needs, and how it is removed without taking it from anybody.

Three things keep a removal safe. A folder goes only while its OS lock is free, so nothing that is being built
goes. It goes only when nobody has asked for it for a grace period, and that is looked at again under the lock
that runs share while they mark an artifact as used. And it is first renamed, so half of an artifact never
stands at its address.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from stat import S_ISREG
from typing import Literal
from uuid import uuid4

from moongate.artifacts.locks import exclusive, exclusive_if_free
from moongate.artifacts.store import COLLECTION_LOCK, SHORT, Store
from moongate.errors import StoreError
from moongate.runs import RunRecord, list_runs, run_folder

Kind = Literal["run", "artifact", "damaged artifact", "unfinished work", "checkpoints"]
State = Literal["removable", "too new", "in use", "removed"]

GRACE = timedelta(hours=24)
# Checkpoints of an interrupted training are all that is left of hours of work: they wait longer.
CHECKPOINT_PATIENCE = 7
_ADDRESS = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = re.compile(rf"\.(?:building|rebuilding)-([0-9a-f]{{{SHORT}}})-[0-9a-f]+")
_REMOVING = ".removing-"
# What a writer or a removal leaves that was killed.
_DEAD_FILES = (
    *(f"{place}/{_REMOVING}*" for place in ("artifacts/*", "scratch/*", "tables/*", "runs")),
    *(f"{place}.*.tmp" for place in ("", "index/", "runs/*/", "runs/*/*/", "campaigns/*/", "tables/*/")),
)


@dataclass(frozen=True)
class Policy:
    """What is kept.

    Attributes:
        grace: how long nobody must have asked for something before it may go.
        keep_runs: the newest so many runs are kept; None = every run is.
    """

    grace: timedelta = GRACE
    keep_runs: int | None = None


@dataclass(frozen=True)
class Garbage:
    """One thing that no kept run needs.

    Attributes:
        kind: what it is.
        name: run id, or stage and digest.
        paths: what goes, in this order.
        bytes: size of all of it.
        idle: time since it was last asked for or written to.
        patience: how long it must have been idle.
        locks: OS locks that whoever works on it holds.
        state: whether it may go now.
    """

    kind: Kind
    name: str
    paths: tuple[Path, ...]
    bytes: int
    idle: timedelta
    patience: timedelta
    locks: tuple[Path, ...]
    state: State


def find_garbage(store: Store, policy: Policy) -> tuple[Garbage, ...]:
    """Return all that no kept run needs, dropped runs first. Nothing is removed.

    Raises:
        StoreError: when the record of a run cannot be read: what it needs is then not known.
    """
    runs = _readable_runs(store.root)
    dropped = _dropped(store.root, runs, policy)
    leaving = {item.name for item in dropped if item.state == "removable"}
    needed = _needed(store, [run for run in runs if run.run_id not in leaving])
    return (*dropped, *_artifacts(store.root, needed, policy), *_leftovers(store.root, policy))


def remove(store: Store, item: Garbage) -> Garbage:
    """Remove one thing if it still may go, and return it with its new state."""
    aside: list[Path] = []
    with exclusive(store.root / "locks" / COLLECTION_LOCK), ExitStack() as held:
        if not all(held.enter_context(exclusive_if_free(lock)) for lock in item.locks):
            return replace(item, state="in use")
        if _idle(item.paths) < item.patience:
            return replace(item, state="too new")
        for path in (path for path in item.paths if path.exists()):
            aside.append(path.with_name(f"{_REMOVING}{uuid4().hex}"))
            path.rename(aside[-1])
    for path in aside:
        _delete(path)
    return replace(item, state="removed")


def _readable_runs(root: Path) -> list[RunRecord]:
    started = [path.parent for path in (root / "runs").glob("r*/run.json")]
    runs = list_runs(root)
    unread = sorted({folder.name for folder in started} - {run.run_id for run in runs})
    if unread:
        raise StoreError(
            f"the record of run {unread[0]} cannot be read",
            where=str(run_folder(root, unread[0]) / "run.json"),
            why="so it is not known which artifacts that run needs, and none can be called unneeded",
            fix="restore the file, or remove the run's folder if the run is not wanted any more",
        )
    return runs


def _dropped(root: Path, runs: Sequence[RunRecord], policy: Policy) -> tuple[Garbage, ...]:
    surplus = runs[policy.keep_runs :] if policy.keep_runs is not None else ()
    return tuple(_dropped_run(root, run, policy) for run in surplus)


def _dropped_run(root: Path, run: RunRecord, policy: Policy) -> Garbage:
    folder = run_folder(root, run.run_id)
    tables = sorted((root / "tables").glob(f"*/{run.run_id}.*.parquet"))
    locks = tuple(folder.glob("run.lock"))
    # The folder last: a removal that is killed in between leaves a run that is dropped again, tables and all.
    return _garbage("run", run.run_id, (*tables, folder), policy.grace, locks)


def _needed(store: Store, runs: Sequence[RunRecord]) -> set[str]:
    """Return the digests of the runs' artifacts, and of what those were made from."""
    needed: set[str] = set()
    waiting = [entry.digest for run in runs for entry in run.stages]
    while waiting:
        digest = waiting.pop()
        if digest and digest not in needed:
            needed.add(digest)
            manifest = store.look_up(digest)
            waiting += [made_from for _, made_from in manifest.inputs] if manifest else []
    return needed


def _artifacts(root: Path, needed: set[str], policy: Policy) -> Iterator[Garbage]:
    for folder in sorted((root / "artifacts").glob("*/*")):
        if _ADDRESS.fullmatch(folder.name) and folder.name not in needed:
            lock = root / "locks" / f"{folder.parent.name}-{folder.name}.lock"
            yield _garbage("artifact", _short_name(folder), (folder,), policy.grace, (lock,))


def _leftovers(root: Path, policy: Policy) -> Iterator[Garbage]:
    for folder in sorted((root / "artifacts").glob("*/.*")):
        if folder.name.startswith(".corrupt-"):
            yield _garbage("damaged artifact", _short_name(folder), (folder,), policy.grace)
        elif unfinished := _UNFINISHED.fullmatch(folder.name):
            locks = (root / "locks").glob(f"{folder.parent.name}-{unfinished[1]}*.lock")
            yield _garbage("unfinished work", _short_name(folder), (folder,), policy.grace, tuple(locks))
    for folder in sorted((root / "scratch").glob("*/*")):
        if _ADDRESS.match(folder.name):
            yield _checkpoints(root, folder, policy)
    for path in sorted(found for pattern in _DEAD_FILES for found in root.glob(pattern)):
        yield _garbage("unfinished work", path.relative_to(root).as_posix(), (path,), policy.grace)


def _checkpoints(root: Path, folder: Path, policy: Policy) -> Garbage:
    stage = folder.parent.name
    built = (root / "artifacts" / stage / folder.name.removesuffix(".again")).exists()
    patience = policy.grace if built else CHECKPOINT_PATIENCE * policy.grace
    lock = root / "locks" / f"{stage}-{folder.name}.lock"
    shards = (root / "locks").glob(f"{stage}-{folder.name.removesuffix('.again')}.*-of-*.lock")
    return _garbage("checkpoints", _short_name(folder), (folder,), patience, (lock, *shards))


def _garbage(
    kind: Kind, name: str, paths: tuple[Path, ...], patience: timedelta, locks: tuple[Path, ...] = ()
) -> Garbage:
    idle = _idle(paths)
    size = sum(status.st_size for status in _statuses(paths) if S_ISREG(status.st_mode))
    return Garbage(kind, name, paths, size, idle, patience, locks, _state(locks, idle, patience))


def _state(locks: Sequence[Path], idle: timedelta, patience: timedelta) -> State:
    for lock in locks:
        if lock.exists():
            with exclusive_if_free(lock) as free:
                if not free:
                    return "in use"
    return "removable" if idle >= patience else "too new"


def _idle(paths: Sequence[Path]) -> timedelta:
    """Return for how long nothing under `paths` changed. An artifact's folder is touched when it is used."""
    newest = max((status.st_mtime for status in _statuses(paths)), default=0.0)
    return timedelta(seconds=max(0.0, time.time() - newest))


def _statuses(paths: Sequence[Path]) -> Iterator[os.stat_result]:
    """Yield the status of everything under `paths`; what vanishes meanwhile is passed over."""
    for top in paths:
        inside = (Path(parent, name) for parent, *names in os.walk(top) for name in chain(*names))
        for path in (top, *inside):
            with suppress(FileNotFoundError):
                yield path.lstat()


def _short_name(folder: Path) -> str:
    name = folder.name[:12] if _ADDRESS.match(folder.name) else folder.name
    return f"{folder.parent.name}/{name}"


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
