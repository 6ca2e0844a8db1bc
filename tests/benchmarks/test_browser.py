"""The parts of the browser's visit that need no browser."""

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.browser import __main__ as command
from benchmarks.browser.server import DEPLOYMENTS, POOL_NAMES
from benchmarks.browser.subject import CAPTION, FILE_NAME, write_subject
from benchmarks.chromium import VARIABLE


def test_every_work_pool_of_the_deployments_is_made() -> None:
    text = DEPLOYMENTS.read_text(encoding="utf-8")
    wanted = {one["work_pool"]["name"] for one in yaml.safe_load(text)["deployments"]}
    assert wanted <= set(POOL_NAMES.findall(text))


def test_where_there_is_no_browser_it_says_so_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    command.main(tmp_path / "pictures", tmp_path / "store")
    assert capsys.readouterr().err.startswith("skipped: no Chromium was found on PATH")
    assert list(tmp_path.iterdir()) == []


def test_the_strangers_picture_is_there_under_its_name(tmp_path: Path) -> None:
    folder = write_subject(command.SUBJECT, tmp_path / "subject")
    first, *others = map(json.loads, (folder / "metadata.jsonl").read_text().splitlines())
    assert (first["file_name"], first["text"]) == (FILE_NAME, CAPTION)
    assert all((folder / row["file_name"]).is_file() for row in [first, *others])
