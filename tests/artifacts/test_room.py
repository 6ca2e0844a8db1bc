"""Room on the disk: refused before work begins, and explained in one message whoever meets its end."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file

from benchmarks.faults.limits import make_read_only, short_files
from moongate.artifacts.room import (
    MARGIN_BYTES,
    free_bytes,
    require_room,
    require_writable,
    writing_explained,
)
from moongate.artifacts.schemas import VALIDATION
from moongate.artifacts.tables import write_table
from moongate.errors import StoreError

MIB = 2**20
ROWS = 99_999
LOSSES = np.random.Generator(np.random.PCG64(0)).random(ROWS)
TABLE = pa.table({"step": np.arange(ROWS), "validation_loss": LOSSES, "chosen": np.zeros(ROWS, bool)})
WRITERS: dict[str, Callable[[Path], object]] = {
    "plain bytes": lambda folder: (folder / "x.bin").write_bytes(bytes(2 * MIB)),
    "safetensors": lambda folder: save_file({"x": np.zeros(2 * MIB, np.uint8)}, folder / "x.safetensors"),
    "Parquet": lambda folder: write_table(folder / "x.parquet", TABLE, VALIDATION),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_on_a_full_disk_every_writer_gives_the_same_message(small_disk, writer: str) -> None:
    disk = small_disk(MIB // 2)
    with pytest.raises(StoreError, match="the disk is full") as stopped, writing_explained(disk):
        WRITERS[writer](disk)
    assert "No space left on device" in stopped.value.why


@pytest.mark.parametrize("writer", WRITERS)
def test_so_it_does_where_a_file_may_not_grow(tmp_path: Path, writer: str) -> None:
    with (
        pytest.raises(StoreError, match="a file may not grow any further") as stopped,
        writing_explained(tmp_path),
        short_files(MIB // 2),
    ):
        WRITERS[writer](tmp_path)
    assert "File too large" in stopped.value.why


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writing_explained(tmp_path):
        (tmp_path / "absent").read_bytes()
    with pytest.raises(ZeroDivisionError), writing_explained(tmp_path):
        raise ZeroDivisionError


def test_too_little_room_is_refused_with_what_is_needed_and_what_is_free(small_disk) -> None:
    disk = small_disk(8 * MIB)
    require_room(disk / "store", 8 * MIB - MARGIN_BYTES, "the train stage")
    with pytest.raises(StoreError, match="too little room on the disk for the train stage") as refused:
        require_room(disk / "store", 8 * MIB, "the train stage")
    assert "up to 9.0 MiB are needed and 8.0 MiB are free" in refused.value.why
    assert "free 1.0 MiB" in refused.value.fix


def test_no_disk_has_room_for_an_exbibyte(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") > 0
    with pytest.raises(StoreError, match="too little room"):
        require_room(tmp_path / "a" / "b", 2**60, "the train stage")


def test_a_read_only_disk_is_one_clear_error(small_disk) -> None:
    disk = small_disk(MIB)
    require_writable(disk / "store")
    assert list((disk / "store").iterdir()) == []
    make_read_only(disk)
    with pytest.raises(StoreError, match="the store cannot be written") as refused:
        require_writable(disk / "store")
    assert "Read-only file system" in refused.value.why


@pytest.mark.parametrize("place", ["/dev/null/store", "file/store", "locked/store"])
def test_so_is_a_place_where_no_store_can_be(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "locked").mkdir(mode=0o500)
    if place == "locked/store" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    with pytest.raises(StoreError, match="the store cannot be written"):
        require_writable(tmp_path / place)
