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
