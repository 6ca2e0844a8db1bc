"""Work that hangs, in real processes: in a call that lets Python go on meanwhile, or in one that does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moongate import watchdog
from moongate.errors import ConfigError
from moongate.watchdog import EXIT_STATUS, limit_of, verdict

WORK = """
import ctypes, sys, time
from pathlib import Path
from moongate import watchdog

watchdog.GRACE_S = 0.5

def hangs(library):
    with progress.track("steps", 2) as advance:
        advance(1)
        library(None).sleep(100)

def works():
    with progress.track("steps", 20) as advance:
        for _ in range(20):
            time.sleep(0.1)
            advance(1)

folder, what, limit_s = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
say = lambda: print("sent", flush=True)
with watchdog.watched(limit_s, "train tuned of r1", folder, say) as sign_of_life:
    from moongate.progress import Silent
    progress = watchdog.Watched(Silent(), sign_of_life)
    # CDLL lets other threads run during the call; PyDLL keeps the interpreter to itself.
    {
        "hangs": lambda: hangs(ctypes.CDLL),
        "hangs and holds the interpreter": lambda: hangs(ctypes.PyDLL),
        "works": works,
        "waits for its turn": lambda: time.sleep(2),
    }[what]()
print("done")
"""


def perform(what: str, folder: Path, limit_s: float) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WORK, str(folder), what, str(limit_s)],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("what", "status", "said"), [("hangs", EXIT_STATUS, "sent\n"), ("hangs and holds the interpreter", 1, "")]
)
def test_a_call_that_never_returns_is_ended_and_it_is_written_down_why_and_where(
    what: str, status: int, said: str, tmp_path: Path
) -> None:
    done = perform(what, tmp_path, limit_s=0.5)
    assert (done.returncode, done.stdout) == (status, said)
    told = verdict(tmp_path)
    assert told is not None
    assert told.startswith("The watchdog ended train tuned of r1: it made no progress for 0.5 s.")
    assert "in hangs" in (tmp_path / watchdog.REPORT_NAME).read_text()


@pytest.mark.parametrize("what", ["works", "waits for its turn"])
def test_slow_work_and_waiting_are_left_alone_and_leave_no_report(what: str, tmp_path: Path) -> None:
    done = perform(what, tmp_path, limit_s=1.5)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert list(tmp_path.iterdir()) == []


def test_work_that_was_killed_from_outside_was_not_ended_by_the_watchdog(tmp_path: Path) -> None:
    (tmp_path / watchdog.REPORT_NAME).write_text(watchdog.sentence("train tuned of r1", 60) + "\n")
    assert verdict(tmp_path) is None


def test_it_is_off_unless_a_limit_is_set(tmp_path: Path) -> None:
    assert (limit_of({}), limit_of({watchdog.VARIABLE: "0"}), limit_of({watchdog.VARIABLE: "90"})) == (
        None,
        None,
        90.0,
    )


@pytest.mark.parametrize("word", ["soon", "-1", "inf", "nan"])
def test_a_limit_that_is_no_number_of_seconds_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="the limit of the watchdog cannot be read"):
        limit_of({watchdog.VARIABLE: word})
