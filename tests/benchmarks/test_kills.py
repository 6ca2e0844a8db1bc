"""`kill -9` in the midst of the stages of a tiny run: it goes on each time and ends with the same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kills.__main__ import at_work
from benchmarks.kills.events import Event, Teller
from benchmarks.kills.strikes import Aim, Course, Strike, courses, strikes

INSTANCE = ("sample", "base")
# In a process of its own: it forks, and pytest's has threads.
KILL = """
import sys
from pathlib import Path
from benchmarks.kills.strikes import Strike
from benchmarks.kills.trial import disturbed, undisturbed
from flows.settings import with_overrides
from tests.flows.tiny_run import tiny_settings

folder, base = map(Path, sys.argv[1:])
config = with_overrides(tiny_settings(folder / "inputs", base), (
    "prior.batch_size=1", "cache.batch_size=2", "train.checkpoint_every=1", "invert.batch_size=1",
    "sample.batch_size=2", "evaluate.batch_size=4", "record.contact_sheet_columns=4",
))
calm = undisturbed(config, folder / "calm", folder / "log")
planned = [
    Strike(("prior", "class"), 3, 0.0),
    Strike(("cache", "evaluation"), 1, 0.0),
    Strike(("train", "tuned"), 3, 0.0),
    Strike(("invert", "base"), 15, 0.0),
    Strike(("sample", "base"), 3, 0.0),
    Strike(("evaluate", "all"), 2, 0.0),
]
trial = disturbed(config, planned, folder / "home", folder / "log", folder / "calm", calm)
print(len(trial.differing), trial.compared > 50, not list((folder / "home" / "scratch").glob("*/*")))
for kill in trial.kills:
    print(kill.instance[0], kill.done > 0, kill.kept > 0, kill.again)
"""


def test_a_run_that_is_killed_in_its_stages_ends_with_the_bytes_of_one_that_is_not(
    tiny_sd1: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(tmp_path), str(tiny_sd1)],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr + (tmp_path / "log").read_text()
    stages = ("prior", "cache", "train", "invert", "sample", "evaluate")
    assert done.stdout.splitlines() == ["0 True True", *(f"{stage} True True 0" for stage in stages)]


def told(*whats: str) -> list[Event]:
    return [Event(what, INSTANCE, float(second)) for second, what in enumerate(whats)]


def test_the_course_of_an_instance_is_the_seconds_between_its_pieces() -> None:
    events = [*told("begun", "advanced", "published", "advanced", "ended"), Event("begun", ("x", "y"), 9.0)]
    assert courses(events[:-1]) == (Course(INSTANCE, (1.0, 2.0, 1.0)),)


def test_that_nothing_is_done_yet_is_no_piece_of_work() -> None:
    events: list[Event] = []
    with Teller(events.append, float).track("train", 4) as advance:
        advance(0)
        advance(2)
    assert [event.count for event in events] == [2]


def test_strikes_of_a_seed_and_round_are_the_same_and_spread_over_the_work() -> None:
    course = Course(INSTANCE, tuple(range(10)))
    assert strikes([course], 0, 3) == strikes([course], 0, 3) != strikes([course], 1, 3)
    moments = [strikes([course], 0, number)[0] for number in range(400)]
    assert {strike.pieces for strike in moments} == set(range(10))
    assert all(0.0 <= strike.delay_s <= strike.pieces for strike in moments)
    assert sum(strike.pieces == 0 for strike in moments) < 400 / 10 / 2


def test_a_training_is_struck_again_and_again_and_never_beyond_its_end() -> None:
    steps, every = 8, 2
    course = Course(("train", "tuned"), (1.0,) * (steps + 1))
    for number in range(200):
        done = kept = 0
        for strike in strikes([course], 0, number):
            # What was in a checkpoint is told as one piece.
            done = max(0, strike.pieces - 1) + kept if kept else strike.pieces
            kept = max(kept, done - done % every)
            assert done <= steps
    assert len(strikes([course], 0, 0)) == 3


def test_only_kills_after_the_first_piece_of_work_count_as_kills_at_work() -> None:
    rows = [{"done": 0, "again": 1}, {"done": 1, "again": 0}, {"done": 7, "again": 0}]
    assert at_work(rows) == 2


@pytest.mark.parametrize(("pieces", "after"), [(0, 0), (1, 1), (2, 2), (7, 3)])
def test_a_moment_is_reached_after_its_pieces_or_at_the_end(pieces: int, after: int) -> None:
    aim = Aim(Strike(INSTANCE, pieces, 0.0))
    reached = [aim.is_reached(event) for event in told("begun", "advanced", "advanced", "ended")]
    assert reached.index(True) == after


def test_work_on_another_instance_is_not_counted() -> None:
    aim = Aim(Strike(("train", "tuned"), 1, 0.0))
    assert not any(aim.is_reached(event) for event in told("begun", "advanced", "ended"))
