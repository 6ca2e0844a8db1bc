import resource
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import moongate
from flows.cli import Verb, app
from moongate.runs import VERBS

OPTIONS = {
    "run": [
        "--preset",
        "--set",
        "--subject",
        "--class-noun",
        "--identifier",
        "--base",
        "--allow-rejects",
        "--engine",
        "--engine-address",
        "--engine-devices",
        "--dry-run",
        "--quiet",
        "--json",
    ],
    "stage": ["verb", "--run", "--set", "--allow-rejects", "--dry-run", "--quiet", "--json"],
    "rerun": ["run_id", "--stage", "--set", "--only", "--force", "--on", "--dry-run", "--quiet", "--json"],
    "batch": [
        "folder",
        "--preset",
        "--set",
        "--base",
        "--engine",
        "--engine-address",
        "--engine-devices",
        "--dry-run",
        "--quiet",
        "--json",
    ],
    "sweep": [
        "--grid",
        "--random",
        "--confirm-seed",
        "--preset",
        "--set",
        "--subject",
        "--class-noun",
        "--base",
        "--engine",
        "--engine-address",
        "--engine-devices",
        "--dry-run",
        "--quiet",
        "--json",
    ],
    "runs": ["--json"],
    "report": ["--open"],
    "show": ["run_id", "--json"],
    "why": ["run_id", "verb", "--all", "--json"],
    "diff": ["first_id", "second_id", "--json"],
    "gc": ["--delete", "--keep-runs", "--grace", "--json"],
    "up": ["--host", "--port"],
    "status": ["--json"],
    "down": [],
    "config": ["--preset", "--set", "--subject", "--class-noun", "--identifier", "--base", "--json"],
    "pretrain": ["--output", "--set", "--quiet"],
}
COMMANDS = get_command(app).commands


def test_commands_and_their_options_are_these() -> None:
    """Options are few on purpose: a setting belongs in the configuration, where --set reaches it."""
    found = {name: [parameter.opts[0] for parameter in command.params] for name, command in COMMANDS.items()}
    assert found == OPTIONS


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_every_commands_help_ends_with_an_example_that_its_parser_accepts(name: str) -> None:
    command = COMMANDS[name]
    _, _, example = (command.help or "").rpartition("Example: ")
    words = example.split(" > ")[0].split()
    assert words[:2] == ["moongate", name]
    command.make_context(name, words[2:])


def test_the_verbs_are_the_stages_in_order() -> None:
    assert tuple(Verb) == VERBS


def test_the_version_is_the_packages() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.stdout == f"moongate {moongate.__version__}\n"


def test_help_needs_less_than_half_a_second_more_than_python_itself() -> None:
    spent = min(seconds_of("-m", "flows.cli", "--help") for _ in range(3))
    assert spent - min(seconds_of("-c", "pass") for _ in range(3)) < 0.5


def test_help_imports_neither_torch_nor_prefect() -> None:
    code = "import flows.cli, sys; sys.exit(bool({'torch', 'prefect', 'pydantic'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def seconds_of(*arguments: str) -> float:
    """Processor time of a Python process: unlike the clock, it does not count what else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_an_error_of_the_project_is_a_message_and_status_one(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "config", "--set", "train.stepz=3"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no setting 'train.stepz'")
    assert "Traceback" not in done.stderr
