"""A whole run writes to its store alone, and no secret of its environment is in it."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moongate.config import RunConfig
from moongate.runs import RunRecord

pytestmark = pytest.mark.usefixtures("prefect_server", "home")


def texts(store: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a store; of tables, which are compressed, their text columns and footers too."""
    for path in sorted(path for path in store.rglob("*") if path.is_file()):
        yield path, path.read_bytes()
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            columns = [table[field.name] for field in table.schema if pa.types.is_string(field.type)]
            words = [str(value) for column in columns for value in column.unique().to_pylist()]
            yield path, "\n".join([*words, str(table.schema.metadata)]).encode()


def test_no_secret_of_the_environment_is_in_any_file_of_the_store(
    first: RunRecord, home: Path, secrets: dict[str, str]
) -> None:
    found = list(texts(home))
    assert len(found) > 50
    assert first.run_id.encode() in b"".join(content for _, content in found)
    for path, content in found:
        for name, value in secrets.items():
            assert value.encode() not in content, f"{name} in {path}"


def test_nothing_that_a_run_is_given_is_written_to(
    first: RunRecord, config: RunConfig, tiny_sd1: Path
) -> None:
    began = datetime.fromisoformat(first.started_utc).timestamp()
    for given in (Path(config.subject.folder).parent, tiny_sd1):
        paths = [given, *given.rglob("*")]
        assert len(paths) > 10
        assert [path for path in paths if path.stat().st_mtime >= began] == []
