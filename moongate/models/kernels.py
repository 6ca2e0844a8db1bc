"""Which kernels compute: the fastest, or only those that give the same bits each time; and their memory."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# cuBLAS reads it when a process first computes with it, and torch refuses to go on without it.
_CUBLAS_VARIABLE, _CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed for what is asked for next, in this process from here on.

    Left alone it gives large blocks back to the system at once, and every activation of a network on the CPU
    is fetched again page by page: the toybox's UNet trained 7 to 15 % faster without that (2 cores), and its
    evaluation in float32 at batch 64 was now and then a third slower with it. What a process used at most it
    holds until it ends. The memory of a GPU has PyTorch's own allocator, which does the same.

    Returns:
        Whether the C library could be told: only glibc can.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(option, _LARGEST_INT) == 1 for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD))


def refuse_tf32() -> None:
    """Let convolutions in float32 be float32, in this process from here on.

    cuDNN would otherwise round their inputs to 10 bits: results would depend on batch and GPU.
    """
    torch.backends.cudnn.allow_tf32 = False


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Compute within the block only with kernels that give the same bits each time on the same device.

    On a CPU with the same number of threads all kernels of the chain do so anyway; on a GPU the backward pass
    of attention and some sums would not.

    Raises:
        RuntimeError: torch's own, when an operation has no such kernel; it names the operation.
    """
    os.environ.setdefault(_CUBLAS_VARIABLE, _CUBLAS_WORKSPACE)
    enabled, timed = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled)
        torch.backends.cudnn.benchmark = timed
