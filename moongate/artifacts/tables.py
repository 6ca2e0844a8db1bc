"""Parquet tables: strict against their declared schema, written whole or not at all, readable by everything.

The footer carries the schema version, the grain and the caller's provenance, and the `huggingface` key from
which `datasets.load_dataset("parquet", ...)` learns to decode picture columns into PIL images.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from moongate.artifacts.durability import atomic_file
from moongate.artifacts.schemas import IMAGE, TABLES, Table
from moongate.artifacts.sinks import PatientFile
from moongate.errors import StoreError

__all__ = [
    "TABLES",
    "Table",
    "image_cell",
    "open_table",
    "read_provenance",
    "stamped",
    "table_file",
    "write_run_table",
    "write_table",
]

Rows: TypeAlias = Sequence[Mapping[str, object]] | pa.Table

# A row group of pictures is the unit that viewers load at once; of plain rows, more make smaller files.
_PICTURE_ROWS_PER_GROUP = 64
_PLAIN_ROWS_PER_GROUP = 100_000
# A hive-style reader takes "007" for a number, and a dot separates the parts of a file name.
_RUN_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def write_table(path: Path, rows: Rows, table: Table, provenance: Mapping[str, str] | None = None) -> None:
    """Write `rows` as one Parquet file, replacing an earlier one at the same path.

    Args:
        path: where to; its folder is made when it is missing.
        rows: mappings with exactly the table's columns, or an Arrow table with them.
        table: the declared schema.
        provenance: extra footer entries: what made the rows.

    Raises:
        StoreError: when a column is unknown or missing, a value does not fit its type, a required value is
            null, or a number is not finite.
    """
    with open_table(path, table, provenance) as append:
        append(rows)


@contextmanager
def open_table(
    path: Path, table: Table, provenance: Mapping[str, str] | None = None
) -> Iterator[Callable[[Rows], None]]:
    """Yield a function that appends rows, so that a table of any length is written in little memory.

    Each call makes row groups of its own. The file appears when the context ends, and not after an error.

    Raises:
        StoreError: from the function it yields, see `write_table`.
        OSError: from there too, when the disk is full.
    """
    plain = [field.name for field in table.schema if pa.types.is_string(field.type)]
    rows_per_group = _PICTURE_ROWS_PER_GROUP if table.image_columns else _PLAIN_ROWS_PER_GROUP
    with (
        atomic_file(path) as temporary,
        PatientFile(temporary) as file,
        pq.ParquetWriter(
            file,
            table.schema.with_metadata(_footer(table, provenance or {})),
            compression=_compression(table),
            use_dictionary=plain,
            write_page_index=True,
            write_page_checksum=True,
            use_content_defined_chunking=True,
        ) as writer,
    ):

        def append(rows: Rows) -> None:
            writer.write_table(_cast(rows, table, path), row_group_size=rows_per_group)
            file.check()

        yield append


def write_run_table(root: Path, name: str, rows: Rows, *, run_id: str, stage: str, attempt: int = 0) -> Path:
    """Write one run's part of the table `name` under `<root>/tables/` and return its path.

    A retry of the same run, stage and attempt replaces its own file and no other.

    Raises:
        StoreError: when there is no such table, or the rows do not fit it.
    """
    if name not in TABLES:
        raise StoreError(
            f"there is no table {name!r}",
            where=str(root / "tables"),
            why=f"the tables are {', '.join(TABLES)}",
            fix="use one of them, or declare the new table in moongate/artifacts/schemas.py",
        )
    path = table_file(root, name, run_id=run_id, stage=stage, attempt=attempt)
    write_table(path, rows, TABLES[name], {"run_id": run_id, "stage": stage, "attempt": str(attempt)})
    return path


def table_file(root: Path, name: str, *, run_id: str, stage: str, attempt: int = 0) -> Path:
    """Return `<root>/tables/<name>/<run_id>.<stage>.<attempt>.parquet`.

    Raises:
        StoreError: when the run id is not a letter followed by letters, digits, _ and -.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise StoreError(
            f"the run id {run_id!r} cannot name a table file",
            where=str(root / "tables" / name),
            why="it must start with a letter and hold letters, digits, _ and - only",
            fix="choose another run id",
        )
    return root / "tables" / name / f"{run_id}.{stage}.{attempt}.parquet"


def stamped(content: pa.Table, **columns: str) -> pa.Table:
    """Return a stage's table with text columns in front, in the order given, each of one value."""
    for name, value in reversed(columns.items()):
        content = content.add_column(0, name, pa.array([value] * content.num_rows, pa.string()))
    return content


def image_cell(png: bytes, path: str) -> dict[str, object]:
    """Return the cell of a picture column: the PNG's bytes, and a name that is not read as a path."""
    return {"bytes": png, "path": path}


def read_provenance(path: Path) -> dict[str, str]:
    """Return the footer entries of a table file, without the schema that Arrow keeps there."""
    metadata = pq.read_schema(path).metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items()}


def _cast(rows: Rows, table: Table, path: Path) -> pa.Table:
    """Return the rows as an Arrow table of exactly the declared schema."""
    _check_columns(rows, table, path)
    try:
        if isinstance(rows, pa.Table):
            content = rows.select(table.schema.names).cast(table.schema)
        else:
            _check_whole_numbers(rows, table, path)
            content = pa.Table.from_pylist(list(rows), schema=table.schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError) as error:
        raise _misfit(table, path, str(error)) from error
    _check_values(content, table, path)
    return content


def _check_columns(rows: Rows, table: Table, path: Path) -> None:
    declared = set(table.schema.names)
    offered = [set(rows.column_names)] if isinstance(rows, pa.Table) else [set(row) for row in rows]
    for number, columns in enumerate(offered):
        if unknown := sorted(columns - declared):
            raise _misfit(table, path, f"row {number} has unknown columns: {', '.join(unknown)}")
        if missing := sorted(declared - columns):
            raise _misfit(table, path, f"row {number} lacks the columns: {', '.join(missing)}")


def _check_whole_numbers(rows: Sequence[Mapping[str, object]], table: Table, path: Path) -> None:
    """Refuse what Arrow would cut down to an integer without a word."""
    for name in (field.name for field in table.schema if pa.types.is_integer(field.type)):
        for number, row in enumerate(rows):
            if isinstance(row[name], bool) or not isinstance(row[name], Integral | None):
                raise _misfit(table, path, f"row {number}: {name} is {row[name]!r}, which is no whole number")


def _check_values(content: pa.Table, table: Table, path: Path) -> None:
    for field in table.schema:
        column = content[field.name]
        required = not field.nullable or (field.type == IMAGE and field.name not in table.may_lack)
        if column.null_count and required:
            raise _misfit(table, path, f"{field.name} is required and null in {column.null_count} rows")
        if pa.types.is_floating(field.type) and not pc.all(pc.is_finite(column), min_count=0).as_py():
            raise _misfit(table, path, f"{field.name} holds NaN or an infinity; store null and a status")


def _misfit(table: Table, path: Path, why: str) -> StoreError:
    return StoreError(
        f"rows do not fit the table {table.name} (version {table.version})",
        where=str(path),
        why=why,
        fix="give exactly the declared columns; to change them, edit moongate/artifacts/schemas.py"
        " and raise the table's version",
    )


def _compression(table: Table) -> dict[str, str]:
    """Return the codec of each leaf column: none for PNG bytes, which are compressed already."""
    leaves: dict[str, str] = {}
    for field in table.schema:
        if field.type == IMAGE:
            leaves |= {f"{field.name}.bytes": "NONE", f"{field.name}.path": "ZSTD"}
        else:
            leaves[field.name] = "ZSTD"
    return leaves


def _footer(table: Table, provenance: Mapping[str, str]) -> dict[str, str]:
    features = {field.name: _feature(field.type) for field in table.schema}
    return {
        **provenance,
        "table": table.name,
        "schema_version": str(table.version),
        "grain": table.grain,
        "huggingface": json.dumps({"info": {"features": features}}),
    }


def _feature(kind: pa.DataType) -> dict[str, str]:
    if kind == IMAGE:
        return {"_type": "Image"}
    names = {pa.float64(): "float64", pa.int64(): "int64", pa.bool_(): "bool", pa.string(): "string"}
    return {"_type": "Value", "dtype": names[kind]}
