import platform
import subprocess
import sys

import pytest
import torch

from moongate.models.devices import arithmetic_of
from moongate.models.kernels import deterministic_kernels, refuse_tf32


def test_within_the_block_torch_refuses_what_has_no_deterministic_kernel_and_after_it_no_more() -> None:
    with deterministic_kernels():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_was_computed_by_other_kernels_is_told_apart() -> None:
    usual = arithmetic_of("cpu")
    with deterministic_kernels():
        assert arithmetic_of("cpu") != usual
    assert arithmetic_of("cpu") == usual == "cpu"


def test_convolutions_in_float32_are_not_rounded_to_tf32() -> None:
    before = torch.backends.cudnn.allow_tf32
    refuse_tf32()
    assert not torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = before


def test_an_error_in_the_block_leaves_the_kernels_as_they_were() -> None:
    with pytest.raises(ValueError, match="in vain"), deterministic_kernels():
        raise ValueError("in vain")
    assert not torch.are_deterministic_algorithms_enabled()


FAULTS = """
import resource, sys, torch
from moongate.models.kernels import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def evaluation():
    [torch.ones(16 << 20, dtype=torch.uint8) for _ in range(4)]
for _ in range(8):
    evaluation()
before = faults()
for _ in range(8):
    evaluation()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_kept_memory_is_not_fetched_again_page_by_page() -> None:
    assert page_faults("kept") < page_faults("given back") / 100


def page_faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout)
