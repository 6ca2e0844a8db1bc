"""Running out of memory: told by the allocators' own exceptions, and answered with smaller portions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from moongate.errors import CapacityError

# Torch has an exception of its own for the memory of a GPU. These come as plain RuntimeErrors: from the CPU's
# allocator, from the driver, and from libraries that allocate for themselves.
_MESSAGES = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
    # All that oneDNN says on a CPU when it gets no memory.
    "could not create a primitive",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an allocator gave up, here or in the error that this one was raised from."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)


def brief(error: BaseException) -> str:
    """Return the first line of what an allocator said; the rest is its statistics."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def release_unused() -> None:
    """Give the memory that torch holds without using it back to the GPU."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


SMALLER_BATCH = (
    "lower the stage's batch_size, which changes no result beyond float rounding, or use a device with more "
    "memory; the same command then goes on from what is done"
)


@contextmanager
def out_of_memory_explained(where: str, fix: str = SMALLER_BATCH) -> Iterator[None]:
    """Turn an allocator's exception within the block into one that says what to do.

    Args:
        where: what was computing, and on which device.
        fix: what to do.

    Raises:
        CapacityError: when memory runs out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise CapacityError(
            "the memory ran out",
            where=where,
            why=brief(error),
            fix=fix,
        ) from error
