"""The parts of the browser's visit that need no browser."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from benchmarks.browser import __main__ as command
from benchmarks.browser.schedule import SLUG, next_minute
from benchmarks.browser.subject import CAPTION, FILE_NAME, write_subject
from benchmarks.chromium import VARIABLE


def test_the_schedule_is_moved_to_a_minute_that_is_not_over() -> None:
    noon = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert next_minute(noon) == noon
    assert next_minute(noon + timedelta(microseconds=1)) == noon + timedelta(minutes=1)
    assert next_minute(datetime(2026, 1, 1, 23, 59, 30, tzinfo=UTC)) == datetime(2026, 1, 2, tzinfo=UTC)


def test_the_schedule_that_is_moved_is_one_of_the_deployment() -> None:
    deployments = yaml.safe_load(Path("deployments/prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    mine = next(one for one in deployments if one["name"] == "one-subject")
    assert SLUG in [schedule["slug"] for schedule in mine["schedules"]]


def test_where_there_is_no_browser_it_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SystemExit, match="not done: no Chromium was found on PATH"):
        command.main(tmp_path / "pictures", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_strangers_picture_is_there_under_its_name(tmp_path: Path) -> None:
    folder = write_subject(command.SUBJECT, tmp_path / "subject")
    first, *others = map(json.loads, (folder / "metadata.jsonl").read_text().splitlines())
    assert (first["file_name"], first["text"]) == (FILE_NAME, CAPTION)
    assert all((folder / row["file_name"]).is_file() for row in [first, *others])
