"""`moongate run` on disks that are full, locked, or allow no large files: message, status, and the way on."""

import json
import re
import resource
import subprocess
from functools import partial
from pathlib import Path

from benchmarks.faults.case import NEXT, NOTHING, Case, Seen
from benchmarks.faults.command_line import Before, as_it_is, built, moongate, options, reused
from benchmarks.faults.limits import drain, flood, make_read_only, small_disk

_MIB = 2**20
_ERROR = re.compile(r"error: (?P<what>.+?) where: .+? why: (?P<why>.+?) next: (?P<next>.+)")


def _run(store: Path, before: Before = as_it_is) -> subprocess.CompletedProcess[str]:
    return moongate(store, "run", "--quiet", *options(), before=before)


def _full(folder: Path) -> Seen:
    with small_disk(folder, 512 * _MIB) as disk:
        store = disk / "store"
        flood(disk, spared=32 * _MIB)
        stopped = _run(store)
        kept = built(store)
        drain(disk)
        again = _run(store)
        return _seen(stopped, again, store, kept)


def _no_large_files(folder: Path) -> Seen:
    store = folder / "store"
    limit = (8 * _MIB, resource.RLIM_INFINITY)
    stopped = _run(store, partial(resource.setrlimit, resource.RLIMIT_FSIZE, limit))
    kept = built(store)
    return _seen(stopped, _run(store), store, kept)


def _read_only(folder: Path) -> Seen:
    with small_disk(folder, 64 * _MIB) as disk:
        (disk / "store").mkdir()
        make_read_only(disk)
        stopped = _run(disk / "store")
        listed = moongate(disk / "store", "runs", "--json")
        read = listed.returncode == 0 and json.loads(listed.stdout) == []
        promised = stopped.returncode == 1 and read and "Traceback" not in stopped.stderr
        return Seen(_message(stopped), NOTHING, "reading commands still work; status 1", promised)


def _seen(
    stopped: subprocess.CompletedProcess[str],
    again: subprocess.CompletedProcess[str],
    store: Path,
    kept: set[str],
) -> Seen:
    promised = (
        stopped.returncode == 1
        and again.returncode == 0
        and "Traceback" not in stopped.stderr
        and bool(kept)
        and kept <= reused(store)
    )
    lost = f"the stage that was at work; {len(kept)} artifacts before it are reused"
    goes_on = "status 1; when that is mended, the same command ends with status 0"
    return Seen(_message(stopped), lost, goes_on, promised)


def _message(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the command said of its end, in one line, without the place."""
    said = " ".join(done.stderr.split())
    found = _ERROR.search(said)
    return f"{found['what']}: {found['why']}{NEXT}{found['next']}" if found else said


COMMANDS = (
    Case("moongate run on a disk that is nearly full", _full, "too little room on the disk"),
    Case("moongate run where files may not grow", _no_large_files, "a file may not grow any further"),
    Case("moongate run on a disk that can only be read", _read_only, "the store cannot be written"),
)
