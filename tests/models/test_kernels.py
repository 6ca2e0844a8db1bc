import pytest
import torch

from moongate.models.kernels import deterministic_kernels


def test_within_the_block_torch_refuses_what_has_no_deterministic_kernel_and_after_it_no_more() -> None:
    with deterministic_kernels():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_error_in_the_block_leaves_the_kernels_as_they_were() -> None:
    with pytest.raises(ValueError, match="in vain"), deterministic_kernels():
        raise ValueError("in vain")
    assert not torch.are_deterministic_algorithms_enabled()
