"""Which kernels compute: the fastest, or only those that give the same bits each time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# cuBLAS reads it when a process first computes with it, and torch refuses to go on without it.
_CUBLAS_VARIABLE, _CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"


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
