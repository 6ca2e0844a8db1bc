"""The memory that ingest takes is bounded by the declared sizes, whatever the picture."""

import json
from pathlib import Path

import pytest

from benchmarks.hostile.folder import sound_folder
from benchmarks.hostile.limit import crowded_folder, declared_bytes, ingest_within
from benchmarks.hostile.memory import KINDS, measure
from moongate.imagefolder.pictures import MEMORY_PER_PIXEL_BYTES

SIDE = 2400
# The resized picture, buffers of one size and the allocator's own take some whatever the picture.
SLACK_BYTES = 24 * 2**20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from Linux's /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_a_large_picture_takes_no_more_for_a_pixel_than_is_declared(kind: str, tmp_path: Path) -> None:
    peak = measure(kind, SIDE, tmp_path)
    bound = MEMORY_PER_PIXEL_BYTES * peak.pixels + 2 * peak.file_bytes + SLACK_BYTES
    # A picture that takes less than its pixels was not decoded, or its peak was not seen.
    assert peak.pixels < peak.growth_bytes <= bound, f"{peak.growth_bytes / peak.pixels:.1f} bytes a pixel"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crowded_folder(tmp_path_factory.mktemp("crowded") / "pictures", SIDE, others=150)


def test_a_whole_folder_is_ingested_in_no_more_memory_than_is_declared(crowded: Path, tmp_path: Path) -> None:
    allowance = declared_bytes(crowded, SIDE)
    done = ingest_within(crowded, tmp_path / "store", allowance)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["accepted"] == 154
    assert SIDE**2 < told["growth_bytes"] <= allowance


def test_with_too_little_memory_ingest_stops_at_the_picture_and_rejects_nothing(
    crowded: Path, tmp_path: Path
) -> None:
    done = ingest_within(crowded, tmp_path / "store", 2 * SIDE**2)
    assert done.returncode == 1
    assert "the memory ran out while a picture was decoded" in done.stderr
    assert "large.png" in done.stderr
    assert not list((tmp_path / "store").glob("artifacts/ingest/[0-9a-f]*"))


def test_with_too_little_memory_for_a_training_picture_nothing_is_held_out(
    crowded: Path, tmp_path: Path
) -> None:
    held_out = sound_folder(tmp_path / "held-out")
    held_out.write_metadata()
    done = ingest_within(held_out.path, tmp_path / "store", 2 * SIDE**2, trained_on=crowded)
    assert done.returncode == 1
    assert "the memory ran out while a picture was decoded" in done.stderr
    assert str(crowded / "large.png") in done.stderr
    assert not list((tmp_path / "store").glob("artifacts/ingest/[0-9a-f]*"))
