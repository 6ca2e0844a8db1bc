"""The command as people type it, without a Prefect server of theirs. The tiny run is in the store already."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL

from flows.events import (
    AnyEvent,
    MetricsMeasured,
    RunFinished,
    StageFinished,
    StageProgress,
    StageStarted,
    VerdictReached,
    read_event,
)
from flows.settings import as_toml
from moongate.config import RunConfig
from moongate.runs import RunRecord

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> str:
    written = tmp_path_factory.mktemp("presets") / "tiny.toml"
    written.write_text(as_toml(config))
    return str(written)


@pytest.fixture(scope="module")
def environment(first: RunRecord, home: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return inherited | {"MOONGATE_HOME": str(home), "HOME": str(home.parent)}


@pytest.fixture(scope="module")
def moongate(environment: dict[str, str]) -> Command:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


# The command, and after it the libraries that a run which finds everything has no need of.
NAMING_LIBRARIES = """
import sys
from flows.cli import main
try:
    main()
finally:
    print([name for name in ("torch", "diffusers", "transformers", "matplotlib") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def found(environment: dict[str, str], preset: str) -> subprocess.CompletedProcess[str]:
    """A run that finds everything in the store, without a server; it prints which libraries it imported."""
    command = [sys.executable, "-c", NAMING_LIBRARIES, "run", "--preset", preset]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_run_that_finds_everything_imports_neither_torch_nor_what_draws(
    found: subprocess.CompletedProcess[str],
) -> None:
    assert (found.returncode, found.stdout) == (0, "[]\n")


def test_without_a_server_the_terminal_shows_the_run_and_no_server(
    found: subprocess.CompletedProcess[str], first: RunRecord
) -> None:
    lines = [line for line in found.stderr.splitlines() if not line.startswith("verdict ")]
    stages, closing = lines[: len(first.stages)], lines[len(first.stages) :]
    assert [line.split()[0] for line in stages] == [entry.stage for entry in first.stages]
    assert [line.endswith("cached") for line in stages] == [True] * (len(stages) - 1) + [False]
    assert Path(closing[-1].removeprefix("report  ")).is_file()
    assert not [line for line in lines if "prefect" in line.lower() or "error" in line.lower()]


def test_json_is_all_that_is_printed_when_it_is_asked_for_and_each_line_is_an_event(
    moongate: Command, preset: str, first: RunRecord
) -> None:
    done = moongate("run", "--preset", preset, "--set", "sample.guidance=2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = [read_event(line) for line in done.stdout.splitlines()]
    assert (told[0].event, told[-1].event) == ("run_started", "run_finished")
    started = [(one.stage, one.role) for one in told if isinstance(one, StageStarted)]
    finished = [one for one in told if isinstance(one, StageFinished)]
    assert started == [(one.stage, one.role) for one in finished]
    assert started == [(entry.stage, entry.role) for entry in first.stages]
    assert {one.stage for one in finished if not one.cached} == {"sample", "evaluate", "record"}
    reached = [one for one in told if isinstance(one, StageProgress)]
    assert {one.stage for one in reached if one.done == one.total} >= {"sample", "evaluate"}
    (measured,) = [one for one in told if isinstance(one, MetricsMeasured)]
    assert {metric.model for metric in measured.metrics} == {"real", "base", "tuned"}
    (verdict,) = [one for one in told if isinstance(one, VerdictReached)]
    assert isinstance(told[-1], RunFinished)
    assert (told[-1].status, told[-1].verdict, told[-1].error) == ("completed", verdict.verdict, None)
    assert Path(str(told[-1].report)).is_file()


def test_runs_are_listed_and_shown(moongate: Command, first: RunRecord) -> None:
    listed = json.loads(moongate("runs", "--json").stdout)
    assert first.run_id in [record["run_id"] for record in listed]
    assert RunRecord.model_validate_json(moongate("show", first.run_id, "--json").stdout) == first
    shown = moongate("show", first.run_id).stderr
    assert first.run_id in shown
    assert all(entry.digest[:12] in shown for entry in first.stages)


def test_a_dry_run_prints_what_differs_from_the_defaults_and_the_plan(
    moongate: Command, preset: str, first: RunRecord
) -> None:
    done = moongate("run", "--preset", preset, "--set", "sample.guidance=2.5", "--dry-run")
    assert "sample.guidance = 2.5\n" in done.stdout
    assert "sample.eta" not in done.stdout
    to_build = {line.split()[0] for line in done.stderr.splitlines() if line.rstrip().endswith("to build")}
    assert to_build == {"sample", "evaluate"}


def test_a_dry_run_looks_into_the_folders_and_leaves_nothing(
    moongate: Command, preset: str, first: RunRecord, tmp_path: Path
) -> None:
    folder, runs = tmp_path / "cups", moongate("runs", "--json").stdout
    shutil.copytree(first.config.subject.folder, folder)
    victim = sorted(folder.glob("*.png"))[0]
    victim.write_bytes(victim.read_bytes()[:100])
    done = moongate("run", "--preset", preset, "--set", f"subject.folder={folder}", "--dry-run")
    assert done.returncode == 1
    assert victim.name in done.stderr
    assert moongate("runs", "--json").stdout == runs


def test_a_dry_run_of_what_is_cached_needs_no_torch(environment: dict[str, str], preset: str) -> None:
    code = (
        "import sys; from flows.cli import app;"
        f" app(['run', '--preset', {preset!r}, '--dry-run'], standalone_mode=False);"
        " sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)


def test_a_rerun_tells_how_a_second_build_compares_and_what_it_repeats(
    moongate: Command, first: RunRecord
) -> None:
    done = moongate("rerun", first.run_id, "--stage", "train", "--only", "--force")
    assert done.returncode == 0, done.stderr
    assert "train tuned: second build byte-identical, times in train_steps.parquet aside" in done.stderr
    shown = moongate("show").stderr
    assert f"repeats {first.run_id} from train on, nothing changed, train built a second time" in shown
    explained = moongate("why", "last", "train")
    assert explained.stdout.startswith("train tuned was built: a second build was forced")


def test_a_rerun_that_would_change_what_comes_before_its_stage_is_refused(
    moongate: Command, first: RunRecord
) -> None:
    changed = ("rerun", first.run_id, "--stage", "sample", "--set", "train.steps=3")
    for done in (moongate(*changed), moongate(*changed, "--dry-run")):
        assert done.returncode == 1
        assert "train.steps is 3, was 4" in done.stderr
        assert f"moongate rerun {first.run_id} --stage train" in done.stderr
    assert json.loads(moongate("runs", "--json").stdout)[0]["overrides"] == []


def test_the_store_of_a_run_has_no_garbage(moongate: Command, first: RunRecord) -> None:
    assert json.loads(moongate("gc", "--grace", "0", "--json").stdout) == []
    dropped = json.loads(moongate("gc", "--grace", "0", "--keep-runs", "0", "--json").stdout)
    assert {item["state"] for item in dropped} == {"removable"}
    assert moongate("show", first.run_id).returncode == 0


def test_a_users_server_shows_a_quiet_run_that_prints_one_line(
    environment: dict[str, str], first: RunRecord
) -> None:
    arguments = ["stage", "cache", "--run", first.run_id, "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        env=environment | {"PREFECT_API_URL": PREFECT_API_URL.value()},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    with get_client(sync_client=True) as client:
        newest = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)[0]
        filtered = FlowRunFilter(id=FlowRunFilterId(any_=[newest.id]))
        # The server learns of the last states from events, a moment after the command has ended.
        deadline = time.monotonic() + 30
        while (states := _states(client, filtered)) != {"Cached"} and time.monotonic() < deadline:
            time.sleep(0.5)
        names = [task.name for task in client.read_task_runs(flow_run_filter=filtered)]
    assert newest.name == "noise_duck until cache"
    assert states == {"Cached"}
    assert "ingest train · noise_duck" in names


def _states(client: SyncPrefectClient, filtered: FlowRunFilter) -> set[str | None]:
    return {task.state_name for task in client.read_task_runs(flow_run_filter=filtered)}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_its_step_says_how_to_go_on_and_is_marked(
    moongate: Command, environment: dict[str, str], preset: str, home: Path, number: int, status: int
) -> None:
    # Another number of steps is another training, which the stop before this one has not begun.
    # No checkpoint is due before the stop, so that the one that is there afterwards is the stop's own.
    steps = 100_000 + number
    changes = ["--set", f"train.steps={steps}", "--set", f"train.checkpoint_every={steps}"]
    running = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", "--preset", preset, "--json", *changes],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Under a shell script's `&` the signal is ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    before = checkpoints(home)
    assert running.stdout
    done = next(told.done for told in map(read_event, running.stdout) if is_training(told))
    running.send_signal(number)
    asked = time.monotonic()
    _, errors = running.communicate(timeout=60)
    assert time.monotonic() - asked < 10
    assert running.returncode == status
    last = errors.splitlines()[-1]
    assert last == f"stopped by {signal.Signals(number).name}: the same command goes on from what is done"
    assert "Traceback" not in errors
    (kept,) = checkpoints(home) - before
    assert done <= int(kept.name.removeprefix("step-")) < steps
    assert json.loads(moongate("runs", "--json").stdout)[0]["status"] == "interrupted"


def is_training(told: AnyEvent) -> bool:
    return isinstance(told, StageProgress) and told.stage == "train" and told.done > 0


def checkpoints(home: Path) -> set[Path]:
    return set(home.glob("scratch/train/*/checkpoints/step-*"))
