"""A benchmark that was stopped goes on with what it had not finished, and a part replaces only itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.speed.bench import Bench
from benchmarks.speed.figures import Figures
from benchmarks.speed.rows import Row, read_how, read_rows
from benchmarks.speed.sizes import TINY
from moongate.models.source import BaseSource
from tests.benchmarks.speed.test_page import HOW


class Measured:
    """Workloads that count how often they are measured; one of them may fail."""

    def __init__(self) -> None:
        self.times = {"first": 0, "second": 0}
        self.fails = False

    def first(self, bench: Bench) -> Iterator[Row]:
        self.times["first"] += 1
        yield Row("first", "a", bench.base.name, bench.device, "ours", "s", float(self.times["first"]))

    def second(self, bench: Bench) -> Iterator[Row]:
        if self.fails:
            raise KeyboardInterrupt
        self.times["second"] += 1
        yield Row("second", "b", bench.base.name, bench.device, "ours", "s", float(self.times["second"]))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(BaseSource(tmp_path, "toybox"), "cpu", TINY, tmp_path)


def figures_of(folder: Path, measured: Measured) -> Figures:
    return Figures(folder, "speed", {"first": measured.first, "second": measured.second})


def test_what_was_finished_is_not_measured_again(bench: Bench, tmp_path: Path) -> None:
    measured = Measured()
    measured.fails = True
    with pytest.raises(KeyboardInterrupt):
        figures_of(tmp_path, measured).measure(["first", "second"], bench, HOW)
    assert not (tmp_path / "speed.parquet").exists()
    measured.fails = False
    again = figures_of(tmp_path, measured)
    again.measure(["first", "second"], bench, HOW)
    again.finish(whole=True)
    assert measured.times == {"first": 1, "second": 1}
    assert [row.workload for row in read_rows(tmp_path / "speed.parquet")] == ["first", "second"]
    assert [path.name for path in tmp_path.iterdir()] == ["speed.parquet"]


def test_other_settings_begin_anew(bench: Bench, tmp_path: Path) -> None:
    measured = Measured()
    figures_of(tmp_path, measured).measure(["first"], bench, HOW)
    figures_of(tmp_path, measured).measure(["first"], bench, HOW | {"size": "tiny"})
    assert measured.times["first"] == 2


def test_a_part_replaces_itself_and_leaves_the_rest_and_its_provenance(bench: Bench, tmp_path: Path) -> None:
    measured = Measured()
    for names, whole, command in ((["first", "second"], True, "all"), (["second"], False, "a part")):
        figures = figures_of(tmp_path, measured)
        figures.measure(names, bench, HOW | {"command": command})
        figures.finish(whole=whole)
    found = {row.workload: row.ours_value for row in read_rows(tmp_path / "speed.parquet")}
    assert found == {"first": 1.0, "second": 2.0}
    assert read_how(tmp_path / "speed.parquet")["command"] == "all"
