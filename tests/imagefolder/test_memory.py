"""The memory that ingest takes is bounded by the declared sizes, whatever the picture."""

from pathlib import Path

import pytest

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
