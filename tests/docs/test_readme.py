import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from flows.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = get_command(app).commands


def shell_lines(page: Path) -> list[str]:
    blocks = re.findall(
        r"^```(?:bash|sh|shell|console)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
    )
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.removeprefix("$ ").split("  #")[0].strip() for line in joined.splitlines()]


LINES = [(page.name, line) for page in PAGES if page.exists() for line in shell_lines(page)]
MOONGATE = [(page, line) for page, line in LINES if re.search(r"(^|[ /])moongate ", line)]
MAKE = [(page, line) for page, line in LINES if re.search(r"(^|\s)make ", line)]


def test_the_readme_shows_the_two_commands() -> None:
    shown = {line for page, line in LINES if page == "README.md"}
    assert {"make run", "make test"} <= shown


@pytest.mark.parametrize(("page", "line"), MOONGATE)
def test_a_documented_command_is_one_that_the_parser_accepts(page: str, line: str) -> None:
    words = shlex.split(re.split(r"[|>]", line)[0])
    start = next(index for index, word in enumerate(words) if word.endswith("moongate"))
    name, *arguments = words[start + 1 :]
    if name.startswith("-"):
        assert name in ("--help", "--version")
    elif "--help" not in arguments:
        COMMANDS[name].make_context(name, arguments)


@pytest.mark.parametrize(("page", "line"), MAKE)
def test_a_documented_make_goal_exists(page: str, line: str) -> None:
    goals = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    words = shlex.split(line)
    named = [word for word in words[words.index("make") + 1 :] if "=" not in word]
    assert named
    assert set(named) <= goals
