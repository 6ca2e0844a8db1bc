"""Signals to a real process that works: what it finishes, what it says, and when it is gone at the latest."""

import signal
import subprocess
import sys
import time

import pytest

WORK = """
import fcntl, signal, sys, time
from flows import stopping
from moongate import interruption

stopping.PATIENCE_S, stopping.DEADLINE_S = float(sys.argv[1]), float(sys.argv[2])

def steps():
    while True:
        print("working", flush=True)
        time.sleep(0.2)
        print("finished", flush=True)
        interruption.heed()

def one_long_step():
    print("working", flush=True)
    time.sleep(100)

def waits_for_a_lock():
    import tempfile
    with tempfile.NamedTemporaryFile() as file, open(file.name) as other:
        fcntl.flock(file, fcntl.LOCK_EX)
        print("working", flush=True)
        fcntl.flock(other, fcntl.LOCK_EX)

def listens_to_nobody():
    print("working", flush=True)
    while True:
        try:
            time.sleep(100)
        except KeyboardInterrupt:
            pass

def fails():
    print("working", flush=True)
    while interruption.asked_by() is None:
        time.sleep(0.01)
    raise RuntimeError("a failure of its own")

with stopping.stoppable(), stopping.heeding_stops():
    globals()[sys.argv[3]]()
"""
HOW_TO_GO_ON = "the same command goes on from what is done\n"


def start(work: str, patience_s: float = 60.0, deadline_s: float = 60.0) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(patience_s), str(deadline_s), work],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Under a shell script's `&` the signal is ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_step_in_hand_is_finished_and_one_line_says_how_to_go_on(number: int, status: int) -> None:
    process = start("steps")
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert output.splitlines()[-1] == "finished"
    assert (process.returncode, errors) == (
        status,
        f"stopped by {signal.Signals(number).name}: {HOW_TO_GO_ON}",
    )


@pytest.mark.parametrize("work", ["one_long_step", "waits_for_a_lock"])
def test_work_that_does_not_come_to_a_good_point_is_broken_off(work: str) -> None:
    process = start(work, patience_s=0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (143, f"stopped by SIGTERM: {HOW_TO_GO_ON}")


def test_a_second_signal_breaks_off_at_once() -> None:
    process = start("one_long_step")
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, f"stopped by SIGINT: {HOW_TO_GO_ON}")


def test_a_process_that_listens_to_nobody_ends_at_the_deadline() -> None:
    process = start("listens_to_nobody", patience_s=0.1, deadline_s=0.3)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (143, f"stopped by SIGTERM: {HOW_TO_GO_ON}")


def test_a_failure_while_it_stops_is_still_a_failure() -> None:
    process = start("fails")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "a failure of its own" in errors


def test_an_ignored_signal_stays_ignored() -> None:
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    script = ignoring + WORK.replace(
        "def steps():", "def once():\n    signal.raise_signal(signal.SIGINT)\n\ndef steps():"
    )
    command = [sys.executable, "-c", script, "60", "60", "once"]
    assert subprocess.run(command, timeout=30, check=False).returncode == 0
