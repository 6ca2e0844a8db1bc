import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")

EVALUATIONS = """
import resource, sys, torch
from contextlib import nullcontext
from moongate.models.host_memory import freed_memory_kept

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def evaluate():
    for _ in range(6):
        [torch.ones(40 << 20, dtype=torch.uint8) for _ in range(4)]

before = resident()
with freed_memory_kept() if sys.argv[1] == "kept" else nullcontext():
    evaluate()
    warm, held = faults(), resident()
    evaluate()
    fetched = faults() - warm
print(fetched, held - before, resident() - before)
"""
# Larger than what glibc may come to keep by itself, 32 MiB, which depends on what was freed before.
ONE_BLOCK = 40 << 20


def test_kept_memory_is_not_fetched_again_page_by_page() -> None:
    fetched, _, _ = evaluations("kept")
    usually, _, _ = evaluations("as usual")
    assert fetched < usually / 100


def test_after_the_block_the_system_has_the_memory_back() -> None:
    _, held, left = evaluations("kept")
    assert held > 3 * ONE_BLOCK
    assert left < ONE_BLOCK


def evaluations(how: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", EVALUATIONS, how], capture_output=True, text=True, check=True, timeout=120
    )
    return [int(word) for word in done.stdout.split()]
