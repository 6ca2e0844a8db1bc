from pathlib import Path

import pyarrow.parquet as pq
import pytest

from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.store import BuildFacts, Obtained
from moongate.config import RunConfig
from moongate.models.source import BaseSource
from moongate.run_tables import on_record
from moongate.runs import RunRecord

RUN_ID = "r20261121-081500-duck-0001"
TUNED = Obtained(AdapterRef("a" * 64), False, 1.5, BuildFacts(items=3, unet_evals=40, device="cpu"), 1000)


@pytest.fixture
def base(tiny_sd1: Path) -> BaseSource:
    return BaseSource(tiny_sd1, "tiny", revision="0123456789abcdef" * 2 + "01234567")


def started(attempt: int = 1) -> RunRecord:
    return RunRecord(
        run_id=RUN_ID,
        started_utc="2026-01-02T03:04:05.000+00:00",
        config=RunConfig(),
        attempt=attempt,
        parent="r20261120-081500-duck-0000",
        from_stage="sample",
    )


def rows(root: Path, name: str) -> list[dict[str, object]]:
    (path,) = (root / "tables" / name).iterdir()
    return pq.read_table(path).to_pylist()


def column(root: Path, table: str, name: str) -> list[object]:
    return [row[name] for row in rows(root, table)]


def test_a_completed_run_is_one_row_and_each_of_its_stages_another(tmp_path: Path, base: BaseSource) -> None:
    with on_record(tmp_path, started(), base) as run:
        run.add("train", "tuned", TUNED)
        run.add_record(0.5)
    (row,) = rows(tmp_path, "runs")
    assert (row["status"], row["error"], row["unet_evals"]) == ("completed", None, 40)
    assert (row["base"], row["base_digest"]) == ("tiny@0123456789ab", base.digest())
    assert (row["parent"], row["from_stage"], row["until"]) == (started().parent, "sample", "record")
    assert column(tmp_path, "stages", "stage") == ["train", "record"]
    assert column(tmp_path, "stages", "peak_memory_bytes")[0] == 1000


def test_a_failed_run_is_in_the_tables_with_its_error_and_the_stages_that_it_finished(
    tmp_path: Path, base: BaseSource
) -> None:
    with pytest.raises(RuntimeError), on_record(tmp_path, started(), base) as run:
        run.add("train", "tuned", TUNED)
        raise RuntimeError("out of luck")
    (row,) = rows(tmp_path, "runs")
    assert (row["status"], row["error"]) == ("failed", "RuntimeError: out of luck")
    assert column(tmp_path, "stages", "role") == ["tuned"]


def test_a_run_that_somebody_stopped_is_in_the_tables_as_interrupted(
    tmp_path: Path, base: BaseSource
) -> None:
    with pytest.raises(KeyboardInterrupt), on_record(tmp_path, started(), base):
        raise KeyboardInterrupt
    assert column(tmp_path, "runs", "status") == ["interrupted"]
    assert rows(tmp_path, "stages") == []


def test_a_further_attempt_replaces_the_rows_and_keeps_those_of_the_earlier_one(
    tmp_path: Path, base: BaseSource
) -> None:
    with pytest.raises(ConnectionError), on_record(tmp_path, started(), base) as run:
        run.add("ingest", "train", TUNED)
        raise ConnectionError
    with on_record(tmp_path, started(attempt=2), base) as run:
        run.add("train", "tuned", TUNED)
    assert column(tmp_path, "runs", "status") == ["completed"]
    assert column(tmp_path, "stages", "attempt") == [1, 2]
