"""One run that is killed in every stage, gone on with each time, and compared with the run that was not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from time import sleep

from benchmarks.kills.events import Event, Instance
from benchmarks.kills.process import Process
from benchmarks.kills.strikes import Aim, Strike
from moongate.artifacts.digests import file_digest
from moongate.artifacts.manifest import MANIFEST_NAME, FileRecord, relative_files
from moongate.artifacts.sameness import compare_builds
from moongate.config import RunConfig
from moongate.errors import StoreError

TREES = ("artifacts", "runs", "tables")
_NOT_COMPARED = (MANIFEST_NAME,)


@dataclass(frozen=True)
class Kill:
    """What one kill hit, and what it cost.

    Attributes:
        instance: stage and role that was at work when the process died; None between two stages.
        done: pieces of work that the process had told of in this instance.
        kept: batches of the instance, or steps of a training, that were safe on disk.
        again: of those kept, how many a later process did again; 0 is what is promised.
    """

    instance: Instance | None
    done: int
    kept: int
    again: int


@dataclass(frozen=True)
class Trial:
    """A run that was killed again and again.

    Attributes:
        kills: in order.
        differing: files that are not the bytes of the run that was not killed, those of checkpoints among
            them, and finished artifacts that were built again.
        compared: how many files were compared.
    """

    kills: tuple[Kill, ...]
    differing: tuple[str, ...]
    compared: int


def undisturbed(config: RunConfig, home: Path, log: Path) -> tuple[Event, ...]:
    """Perform the run in one process, and return what it told.

    Raises:
        StoreError: when it fails.
    """
    return tuple(_live(config, home, log).events)


def disturbed(
    config: RunConfig,
    strikes: Sequence[Strike],
    home: Path,
    log: Path,
    reference: Path,
    calm: Sequence[Event],
) -> Trial:
    """Perform the run in an empty store, killing it at every strike, and compare what comes out.

    Args:
        config: the run.
        strikes: in the order of the chain.
        home: the empty store.
        log: where the processes' output goes.
        reference: store of the run that was not killed.
        calm: what that run told.

    Raises:
        StoreError: when a process fails by itself.
    """
    lives = [_live(config, home, log, strike) for strike in strikes]
    lives.append(_live(config, home, log))
    told = [life.events for life in lives]
    differing, compared = _compare(reference, home)
    differing += _unequal_checkpoints(calm, told) + _built_again(told)
    kills = [_kill(told[number], told[number + 1 :]) for number, life in enumerate(lives) if life.killed]
    return Trial(tuple(kills), tuple(differing), compared)


@dataclass(frozen=True)
class _Life:
    """What a process told, and whether it was killed; a strike can come too late."""

    events: list[Event]
    killed: bool


def _live(config: RunConfig, home: Path, log: Path, strike: Strike | None = None) -> _Life:
    """Perform the run in a process that dies at `strike`."""
    process = Process(config, home, log, strike)
    aim = Aim(strike) if strike else None
    for event in process.listen():
        if aim and aim.is_reached(event):
            sleep(aim.strike.delay_s)
            process.kill()
            aim = None
    if process.exit_code not in (0, -SIGKILL):
        raise StoreError(
            "a run that nobody killed did not end well",
            where=str(log),
            why=f"its exit status is {process.exit_code}",
            fix="read the end of that file",
        )
    return _Life(process.events, process.exit_code != 0)


def _kill(life: Sequence[Event], later: Sequence[Sequence[Event]]) -> Kill:
    instance = life[-1].instance if life and life[-1].what != "ended" else None
    own = [event for event in life if event.instance == instance]
    kept = _kept(own)
    repeated = sum(len(kept & _kept(_of(instance, events))) for events in later)
    done = sum(event.what == "advanced" for event in own)
    return Kill(instance, done, len(kept), repeated)


def _of(instance: Instance | None, events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.instance == instance]


def _kept(events: Sequence[Event]) -> set[tuple[str, ...]]:
    return {event.published for event in events if event.what == "published"}


def _compare(reference: Path, home: Path) -> tuple[list[str], int]:
    """Return the files that differ, times that things took aside, and how many there are."""
    differing, count = [], 0
    for tree in TREES:
        records = list(_records(reference / tree))
        count += len(records)
        sameness = compare_builds(reference / tree, records, home / tree)
        differing += [f"{tree}/{name}" for name in sameness.differing if _is_compared(name)]
    return differing, count


def _records(folder: Path) -> Iterator[FileRecord]:
    for name in relative_files(folder):
        if _is_compared(name):
            path = folder / name
            yield FileRecord(name=name, sha256=file_digest(path), bytes=path.stat().st_size)


def _is_compared(name: str) -> bool:
    """Leave out records of the time, such as an artifact's, and what killed writers left for `gc`."""
    file = Path(name).name
    return file not in _NOT_COMPARED and not (file.startswith(".") and file.endswith(".tmp"))


def _unequal_checkpoints(calm: Sequence[Event], lives: Sequence[Sequence[Event]]) -> list[str]:
    """Return the tensor files of checkpoints, the optimizer's state among them, that the calm run had not."""
    expected = _checkpoints(calm)
    found = set().union(*(_checkpoints(life) for life in lives))
    return sorted(found - expected)


def _built_again(lives: Sequence[Sequence[Event]]) -> list[str]:
    built = Counter(event.instance for life in lives for event in life if event.built)
    return [f"{stage} {role}, built again" for (stage, role), times in built.items() if times > 1]


def _checkpoints(events: Sequence[Event]) -> set[str]:
    return {
        name
        for event in events
        if event.what == "published" and event.instance[0] == "train"
        for name in event.published
    }
