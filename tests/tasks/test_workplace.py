"""Where a task works that was handed to another process."""

import os
from pathlib import Path

import pytest
from prefect import flow

from moongate.artifacts.store import HOME_VARIABLE
from moongate.errors import StoreError
from tasks.exhibits import is_watched, unwatched
from tasks.workplace import Workplace


def test_the_folders_are_those_of_the_process_that_hands_out_the_task_and_come_back_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    before = Path.cwd()
    with Workplace(folder, home).entered():
        assert (Path.cwd(), os.environ[HOME_VARIABLE]) == (folder, str(home))
    assert Path.cwd() == before
    assert HOME_VARIABLE not in os.environ


def test_a_host_that_does_not_see_the_store_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="worker does not see"),
        Workplace(tmp_path, tmp_path / "no").entered(),
    ):
        pass


@pytest.mark.usefixtures("prefect_server")
def test_a_worker_shows_nothing_of_a_run_that_nobody_can_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))

    @flow
    def watched_in_workers() -> tuple[bool, bool]:
        seen = Workplace.here()
        with unwatched():
            unseen = Workplace.here()
        with seen.entered():
            first = is_watched()
        with unseen.entered():
            return first, is_watched()

    assert watched_in_workers() == (True, False)
