"""Whether a second build of one recipe gave the same bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from moongate.artifacts.digests import file_digest
from moongate.artifacts.manifest import FileRecord, relative_files
from moongate.artifacts.schemas import TIME_COLUMNS


@dataclass(frozen=True)
class Sameness:
    """How a second build compares with the first.

    Attributes:
        differing: files that are not the same, or that only one of the two has.
        timing: tables that differ in nothing but the time that things took.
    """

    differing: tuple[str, ...] = ()
    timing: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.differing:
            return f"different: {', '.join(self.differing)}"
        if self.timing:
            return f"byte-identical, times in {', '.join(self.timing)} aside"
        return "byte-identical"


def compare_builds(first: Path, recorded: Sequence[FileRecord], second: Path) -> Sameness:
    """Compare the verified artifact in `first` with a second build in `second`, by sha256."""
    unequal = tuple(_unequal(recorded, second))
    timing = tuple(name for name in unequal if _only_times_differ(first / name, second / name))
    return Sameness(tuple(name for name in unequal if name not in timing), timing)


def _unequal(recorded: Sequence[FileRecord], second: Path) -> Iterator[str]:
    expected = {record.name: record.sha256 for record in recorded}
    present = {name: file_digest(second / name) for name in relative_files(second)}
    for name in sorted(expected.keys() | present.keys()):
        if expected.get(name) != present.get(name):
            yield name


def _only_times_differ(first: Path, second: Path) -> bool:
    if first.suffix != ".parquet" or not (first.exists() and second.exists()):
        return False
    one, other = pq.read_table(first), pq.read_table(second)
    times = [name for name in one.column_names if name in TIME_COLUMNS]
    if not times or one.column_names != other.column_names:
        return False
    return bool(one.drop_columns(times).equals(other.drop_columns(times), check_metadata=True))
