"""The allocators' real exceptions, and nothing else, count as memory that ran out."""

import pytest
import torch

from moongate.errors import CapacityError
from moongate.memory import brief, is_out_of_memory, out_of_memory_explained


def real_cpu_error() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    return caught.value


def test_the_cpu_allocators_exception_is_recognised() -> None:
    assert type(real_cpu_error()) is RuntimeError
    assert is_out_of_memory(real_cpu_error())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("could not create a primitive"),
        MemoryError(),
    ],
)
def test_so_are_those_of_a_gpu_of_its_libraries_and_of_python(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_and_one_that_another_error_was_raised_from() -> None:
    with pytest.raises(ValueError, match="wrapped") as caught:
        raise ValueError("wrapped") from real_cpu_error()
    assert is_out_of_memory(caught.value)


def test_other_errors_are_not() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(OSError(28, "No space left on device"))


def test_what_is_said_is_one_line() -> None:
    assert brief(torch.OutOfMemoryError("CUDA out of memory.\nstatistics")) == "CUDA out of memory."
    assert brief(MemoryError()) == "MemoryError"


def test_outside_training_the_error_says_what_to_lower() -> None:
    with pytest.raises(CapacityError, match="lower the stage's batch_size"), out_of_memory_explained("here"):
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="size"), out_of_memory_explained("here"):
        torch.zeros(2) + torch.zeros(3)
