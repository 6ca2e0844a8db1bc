"""Where networks run, and in which arithmetic."""

import re

import torch

from moongate.errors import ConfigError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(name: str) -> torch.device:
    """Return the device that `name` ("auto", "cpu", "cuda" or "cuda:<n>") stands for; auto prefers a GPU.

    Raises:
        ConfigError: when the name is unknown, or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise _no_device(name, "it is not auto, cpu, cuda or cuda:<n>")
    # Read from the name: torch.device wraps large numbers around.
    number = int(name.partition(":")[2] or 0)
    if name != "cpu" and number >= torch.cuda.device_count():
        raise _no_device(name, f"this machine shows {torch.cuda.device_count()} CUDA devices to torch")
    return torch.device(name)


def arithmetic_of(device: str) -> str:
    """Return what decides the last bits of a result on this device: its model, and which kernels are used.

    Its number does not: a host's second GPU of one model gives what the first gives, and the first GPUs of
    two hosts can be of different models.
    """
    kernels = ", deterministic kernels" if torch.are_deterministic_algorithms_enabled() else ""
    if not device.startswith("cuda"):
        return device + kernels
    major, minor = torch.cuda.get_device_capability(device)
    return f"{torch.cuda.get_device_name(device)}, capability {major}.{minor}{kernels}"


def count_cuda_devices() -> int:
    """Return how many CUDA devices torch would find, without setting one up in this process."""
    return torch.cuda.device_count()


def torch_dtype(precision: str) -> torch.dtype:
    """Return the dtype of "float32", "bfloat16" or "float16".

    Raises:
        ConfigError: when the precision is unknown.
    """
    if precision not in _DTYPES:
        raise ConfigError(
            "the precision is unknown",
            where="base.precision",
            why=f"it is {precision!r}",
            fix=f"choose one of {', '.join(_DTYPES)}",
        )
    return _DTYPES[precision]


def _no_device(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"the device {name} cannot be used",
        where="base.device",
        why=why,
        fix="choose auto, or cpu; for a GPU check that torch was installed with CUDA",
    )
