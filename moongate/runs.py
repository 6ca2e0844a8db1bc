"""Runs: their ids, and `run.json`, which says what a run was asked to do and what it has done so far.

Layout under `<root>/runs/<run_id>/`:

    run.json     rewritten whole after every stage instance, so that a killed run still tells how far it came
    run.lock     an OS lock held while the run lives; "running" with the lock free means "interrupted"
"""

import fcntl
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moongate import watchdog
from moongate.artifacts.durability import atomic_file
from moongate.artifacts.locks import exclusive
from moongate.artifacts.peak_memory import peak_memory_bytes
from moongate.artifacts.room import writing_explained
from moongate.artifacts.store import Obtained
from moongate.config import RunConfig
from moongate.errors import InputError, StoreError
from moongate.redaction import redacted

Verb = Literal["ingest", "prior", "cache", "train", "invert", "sample", "evaluate", "record"]
VERBS: tuple[Verb, ...] = get_args(Verb)
Status = Literal["running", "completed", "failed", "interrupted"]

_log = logging.getLogger(__name__)
RUN_FORMAT = 1
RECORD_ROLE = "run"
_RUN_ID = re.compile(r"r\d{8}-\d{6}-[A-Za-z0-9][A-Za-z0-9_-]*-[0-9a-f]{4}")


class StageEntry(BaseModel):
    """One stage instance of a run, as executed in one attempt. Times in seconds, memory in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Verb
    role: str = Field(description="Tells apart the instances of a stage, such as base and tuned samples.")
    attempt: int
    kind: str
    digest: str
    cached: bool
    wall_s: float
    items: int
    unet_evals: int
    device: str
    peak_memory_bytes: int
    lost: int = Field(0, description="Items that could not be computed and were left out.")
    leased: str = Field("", description="The device that was held, as its whole host knows it; empty = none.")
    rebuilt: str = Field("", description="How a forced second build compared with the stored artifact.")


class Origin(BaseModel):
    """What a run repeats: an earlier run, from one of its stages on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parent: str | None = Field(None, description="The run whose settings this one repeats.")
    from_stage: Verb | None = Field(
        None, description="The stage that is done again; earlier ones are reused."
    )
    overrides: tuple[str, ...] = Field((), description="The settings that are not the parent's.")
    force: bool = Field(False, description="Build that stage a second time even when nothing changed.")


class RunRecord(Origin):
    """Everything `run.json` says: of a run, and of what it repeats. Times are UTC in ISO 8601."""

    format: int = RUN_FORMAT
    run_id: str
    until: Verb = Field("record", description="The last stage that was asked for.")
    status: Status = "running"
    error: str | None = None
    attempt: int = 1
    started_utc: str
    ended_utc: str | None = None
    config: RunConfig
    stages: tuple[StageEntry, ...] = ()
    verdict: str = Field("", description="good, underfit, overfit, collapsed or unknown; empty before.")
    verdict_reason: str = Field("", description="The numbers behind the verdict, in words.")

    @property
    def wall_s(self) -> float:
        """Seconds from start to end, or to now while it runs."""
        end = datetime.fromisoformat(self.ended_utc) if self.ended_utc else datetime.now(UTC)
        return (end - datetime.fromisoformat(self.started_utc)).total_seconds()

    @property
    def unet_evals(self) -> int:
        """Samples that went through the UNet in this run; what was cached adds nothing."""
        return sum(entry.unet_evals for entry in self.stages)

    @property
    def lost(self) -> int:
        """Items of the last attempt that could not be computed and were left out."""
        return sum(entry.lost for entry in self.current())

    def caveats(self) -> tuple[str, ...]:
        """Return what a reader of this run's figures has to know first, a sentence each."""
        return (*self._losses(), *self.config.caveats())

    def _losses(self) -> Iterator[str]:
        if self.lost:
            each = (f"{entry.lost} of {entry.stage} {entry.role}" for entry in self.current() if entry.lost)
            items = "1 item" if self.lost == 1 else f"{self.lost:,} items"
            yield (
                f"{items} could not be computed and were left out: {', '.join(each)}. "
                "The tables have a row for each, with its status and the reason."
            )

    def current(self) -> tuple[StageEntry, ...]:
        """Return the entries of the last attempt."""
        return tuple(entry for entry in self.stages if entry.attempt == self.attempt)


class Run:
    """A run that is going on. Every change is on disk when the call returns."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record

    def add(self, stage: Verb, role: str, obtained: Obtained[Any]) -> StageEntry:
        """Note a finished stage instance, and return what is noted."""
        entry = StageEntry(
            stage=stage,
            role=role,
            attempt=self.record.attempt,
            kind=obtained.ref.kind,
            digest=obtained.ref.digest,
            cached=obtained.cached,
            wall_s=obtained.wall_s,
            items=obtained.facts.items,
            unet_evals=obtained.facts.unet_evals,
            device=obtained.facts.device,
            peak_memory_bytes=obtained.peak_memory_bytes,
            lost=obtained.lost,
            rebuilt=obtained.rebuilt,
            leased=obtained.leased,
        )
        return self._add(entry)

    def add_record(self, wall_s: float) -> StageEntry:
        """Note that the run was recorded; its record is no artifact, so it has no digest."""
        entry = StageEntry(
            stage="record",
            role=RECORD_ROLE,
            attempt=self.record.attempt,
            kind="record",
            digest="",
            cached=False,
            wall_s=wall_s,
            items=0,
            unet_evals=0,
            device="cpu",
            peak_memory_bytes=peak_memory_bytes(),
        )
        return self._add(entry)

    def judged(self, verdict: str, reason: str) -> None:
        """Note how good the run's result is."""
        self._write(verdict=verdict, verdict_reason=reason)
        _log.info("%-8s  %s", "verdict", f"{verdict}: {reason}")

    def end(self, status: Status, error: str | None = None) -> None:
        """Note how the run ended."""
        self._write(status=status, error=error and redacted(error), ended_utc=_now())

    def fail(self, status: Status, error: str | None = None) -> None:
        """Note that the run ended badly; what ended it is not hidden behind a full disk."""
        try:
            self.end(status, error)
        except (StoreError, OSError) as fault:
            _log.warning("The end of run %s could not be noted: %s", self.record.run_id, fault)

    def _add(self, entry: StageEntry) -> StageEntry:
        self._write(stages=(*self.record.stages, entry))
        how = "cached" if entry.cached else f"done in {entry.wall_s:.1f} s"
        if entry.rebuilt:
            how = f"built a second time in {entry.wall_s:.1f} s: {entry.rebuilt}"
        if entry.leased:
            how += f" on {entry.leased}"
        _log.info("%-8s  %-11s  %s", entry.stage, entry.role, how)
        return entry

    def _write(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        with writing_explained(self.folder), atomic_file(self.folder / "run.json") as temporary:
            temporary.write_text(self.record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def new_run_id(started: datetime, subject: str, token: str) -> str:
    """Return the id of a run: when it started (UTC), its subject, and four hex digits against coincidence."""
    return f"r{started.astimezone(UTC):%Y%m%d-%H%M%S}-{subject}-{token[:4]}"


@contextmanager
def going_on(root: Path, record: RunRecord) -> Iterator[Run]:
    """Open a run, and note how it ends: completed, failed with its error, or interrupted.

    A record whose folder exists already is a further attempt: the entries of earlier attempts are kept.
    """
    folder = run_folder(root, record.run_id)
    folder.mkdir(parents=True, exist_ok=True)

    def tell() -> None:
        _log.warning("Waiting: an earlier attempt at run %s is still at work.", record.run_id)

    with exclusive(folder / "run.lock", tell):
        watchdog.forget(folder)
        run = Run(folder, record)
        run._write(stages=_earlier_entries(folder))
        try:
            yield run
        except Exception as error:
            run.fail("failed", f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            run.fail("interrupted")
            raise
        run.end("completed")


def is_run_id(text: str) -> bool:
    """Tell whether `text` has the form of a run's id, which is also the name of its folder."""
    return _RUN_ID.fullmatch(text) is not None


def runs_folder(root: Path) -> Path:
    """Return the folder of all runs of a store."""
    return root / "runs"


def run_folder(root: Path, run_id: str) -> Path:
    """Return where a run's files are, whether or not it exists."""
    return runs_folder(root) / run_id


def list_runs(root: Path) -> list[RunRecord]:
    """Return every readable run under `root`, newest first."""
    folders = (path for path in runs_folder(root).glob("r*") if is_run_id(path.name))
    records = (_read(folder) for folder in sorted(folders, reverse=True))
    return [record for record in records if record is not None]


def load_run(root: Path, wanted: str) -> RunRecord:
    """Return the run with this id, or the only one whose id contains it; `last` is the newest.

    Raises:
        InputError: when no run fits, or several do.
        StoreError: when its `run.json` cannot be read.
    """
    known = sorted(path.name for path in runs_folder(root).glob("r*") if is_run_id(path.name))
    fitting = known[-1:] if wanted == "last" else [name for name in known if wanted in name]
    if wanted in fitting:
        fitting = [wanted]
    if len(fitting) != 1:
        raise _not_one_run(root, wanted, known, fitting)
    if (record := _read(run_folder(root, fitting[0]))) is None:
        raise StoreError(
            f"the record of run {fitting[0]} cannot be read",
            where=str(run_folder(root, fitting[0]) / "run.json"),
            why="it is missing, or not the JSON that this version writes",
            fix="start a new run; its artifacts are still in the store and will be reused",
        )
    return record


def run_of(root: Path, token: str, since: datetime) -> RunRecord | None:
    """Return the run that was named with this token and started at `since` or later; None for none.

    A run's id ends in the first digits of its token; an older run may by chance end in the same ones.
    """
    fitting = (one for one in list_runs(root) if one.run_id.endswith(f"-{token[:4]}"))
    return next((one for one in fitting if datetime.fromisoformat(one.started_utc) >= since), None)


def _read(folder: Path) -> RunRecord | None:
    try:
        record = RunRecord.model_validate_json((folder / "run.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    if record.status == "running" and not _is_alive(folder):
        return record.model_copy(update={"status": "interrupted", "error": watchdog.verdict(folder)})
    return record


def _earlier_entries(folder: Path) -> tuple[StageEntry, ...]:
    earlier = _read(folder)
    return earlier.stages if earlier else ()


def _is_alive(folder: Path) -> bool:
    try:
        with (folder / "run.lock").open("r") as lock:
            return not _can_lock(lock)
    except FileNotFoundError:
        return False


def _can_lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _not_one_run(root: Path, wanted: str, known: Sequence[str], fitting: Sequence[str]) -> InputError:
    near = fitting or get_close_matches(wanted, known, n=3, cutoff=0.3) or known[-3:]
    return InputError(
        f"no run is called {wanted!r}" if not fitting else f"{len(fitting)} runs fit {wanted!r}",
        where=str(runs_folder(root)),
        why=f"these come near: {', '.join(near)}" if near else "there are no runs yet",
        fix="name one in full; `moongate runs` lists them",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
