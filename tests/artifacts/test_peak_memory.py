import sys
from mmap import PAGESIZE, mmap

import pytest

from moongate.artifacts.peak_memory import peak_memory_bytes, restart_peak_memory

BLOCK = 200 * 2**20


def touch_a_block() -> None:
    # From the system and back to it, whatever the allocator of this process keeps.
    with mmap(-1, BLOCK) as block:
        for page in range(0, BLOCK, PAGESIZE):
            block[page] = 1


def test_the_peak_counts_memory_that_has_been_given_back() -> None:
    restart_peak_memory()
    before = peak_memory_bytes()
    touch_a_block()
    assert peak_memory_bytes() >= before + 0.9 * BLOCK


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forget a peak")
def test_a_restarted_count_forgets_the_peak_before_it() -> None:
    touch_a_block()
    before = peak_memory_bytes()
    restart_peak_memory()
    assert peak_memory_bytes() < before - 0.5 * BLOCK
