import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.blank_database import begin_with_blank, blank_database, make_blank


def test_setting_up_makes_what_prefect_would_migrate_itself(tmp_path: Path) -> None:
    made = tmp_path / "share" / "made.db"
    make_blank(made)
    assert [file.name for file in made.parent.iterdir()] == ["made.db"]
    assert tables(made) == tables(blank_database()), "make setup has made the one that private servers copy"
    assert {"flow_run", "task_run", "artifact"} < tables(made)
    assert rows(made, "flow_run") == 0


def test_a_new_database_is_a_copy_of_the_blank_one(tmp_path: Path) -> None:
    begin_with_blank(tmp_path / "private-0.db")
    assert [file.name for file in tmp_path.iterdir()] == ["private-0.db"]
    assert (tmp_path / "private-0.db").read_bytes() == blank_database().read_bytes()


def test_a_database_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "private-0.db"
    database.write_bytes(b"runs of before")
    begin_with_blank(database)
    assert database.read_bytes() == b"runs of before"


def test_without_a_blank_database_prefect_is_left_to_make_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    folder = tmp_path / "prefect"
    folder.mkdir()
    begin_with_blank(folder / "private-0.db")
    blank_database().mkdir(parents=True)
    begin_with_blank(folder / "private-0.db")
    assert not list(folder.iterdir())


def tables(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def rows(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        (count,) = connection.execute(f"select count(*) from {table}").fetchone()
    return int(count)
