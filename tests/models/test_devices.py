import pytest
import torch

from moongate.errors import ConfigError
from moongate.models.devices import resolve_device, torch_dtype


def test_auto_prefers_a_gpu() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:999", ""])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        resolve_device(name)


def test_precisions_have_their_dtypes() -> None:
    assert [torch_dtype(name) for name in ("float32", "bfloat16", "float16")] == [
        torch.float32,
        torch.bfloat16,
        torch.float16,
    ]
    with pytest.raises(ConfigError, match="'fp8'"):
        torch_dtype("fp8")
