"""The commands that look back, on a store with two runs in it. They need neither Prefect nor torch."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app
from flows.history_tables import age
from moongate.artifacts.room import in_words
from moongate.artifacts.store import Store
from moongate.errors import ConfigError
from moongate.runs import list_runs
from tests.past_runs import past_run, run_id

Command = Callable[..., Result]
SECOND = run_id(2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store = Store(tmp_path)
    past_run(store, 1, steps=400, figure=0.5)
    past_run(store, 2, steps=200, figure=0.75)
    then = time.time() - 3 * 86400
    for path in tmp_path.rglob("*"):
        os.utime(path, (then, then))
    return tmp_path


@pytest.fixture
def moongate(root: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("MOONGATE_HOME", str(root))
    return lambda *arguments: CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_why_answers_in_one_line_on_standard_output(moongate: Command) -> None:
    line = f"train tuned was built: train.steps is 200, was 400 (compared with {run_id(1)})\n"
    assert moongate("why", "last", "train").stdout == line
    assert json.loads(moongate("why", "last", "train", "--json").stdout)[0]["outcome"] == "built"


def test_why_of_all_stages_is_a_table(moongate: Command) -> None:
    rows = moongate("why", "last", "--all").stderr.splitlines()
    assert [row.split()[0] for row in rows] == ["stage", "train", "evaluate", "record"]


@pytest.mark.parametrize("arguments", [("why", "last"), ("why", "last", "train", "--all")])
def test_why_wants_either_one_stage_or_all(moongate: Command, arguments: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="which stage to explain"):
        moongate(*arguments)


def test_diff_shows_settings_inputs_and_metrics(moongate: Command) -> None:
    shown = moongate("diff", run_id(1), "last").stderr
    assert "train.steps  400    200" in shown
    assert "They read the same pictures, prompts and weights." in shown
    assert "+0.250" in shown
    assert "Figures that are exactly the same: 1." in shown
    assert json.loads(moongate("diff", run_id(1), "--json").stdout)["second"] == SECOND


def test_diff_of_a_run_with_itself_says_that_nothing_differs(moongate: Command) -> None:
    shown = moongate("diff", "last", "last").stderr
    assert "The settings are the same." in shown
    assert "Figures that are exactly the same: 2." in shown


def test_gc_lists_and_only_with_delete_removes(moongate: Command, root: Path) -> None:
    listed = moongate("gc", "--keep-runs", "1").stderr
    assert "the same command with --delete removes it" in listed
    assert [line.split()[-1] for line in listed.splitlines()[1:4]] == ["removable"] * 3
    assert len(list_runs(root)) == 2
    removed = moongate("gc", "--keep-runs", "1", "--delete").stderr
    assert [line.split()[-1] for line in removed.splitlines()[1:4]] == ["removed"] * 3
    assert [run.run_id for run in list_runs(root)] == [SECOND]
    assert "nothing that no run needs" in moongate("gc").stderr
    assert moongate("show", "last").exit_code == 0


def test_looking_back_imports_neither_prefect_nor_torch(root: Path) -> None:
    code = (
        "import sys; from flows.cli import app\n"
        "for words in (['why', 'last', '--all'], ['diff', '0001', 'last'], ['gc'], ['show']):\n"
        "    app(words, standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'prefect'} & set(sys.modules)))"
    )
    environment = os.environ | {"MOONGATE_HOME": str(root)}
    subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)


def test_sizes_and_ages_are_said_as_people_say_them() -> None:
    assert [in_words(count) for count in (0, 1023, 1024, 5 * 1024**3)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 GiB",
    ]
    assert [age(timedelta(hours=hours)) for hours in (0.01, 30, 60)] == ["36.0 s", "30 h 00 min", "2 days"]


def test_report_builds_the_index_and_prints_only_its_path(moongate: Command, root: Path) -> None:
    done = moongate("report")
    assert (done.exit_code, done.stdout) == (0, f"{root / 'index.html'}\n")
    page = (root / "index.html").read_text(encoding="utf-8")
    assert all(f'<tr id="{run_id(number)}"' in page for number in (1, 2))


def test_report_imports_neither_prefect_nor_torch_nor_matplotlib(root: Path) -> None:
    code = (
        "import sys; from flows.cli import app; app(['report'], standalone_mode=False); "
        "print(sorted({'prefect', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    environment = os.environ | {"MOONGATE_HOME": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
