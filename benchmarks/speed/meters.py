"""What is read off a device: its highest memory, and how fast it multiplies matrices."""

from __future__ import annotations

from functools import cache
from time import perf_counter

from moongate.artifacts.peak_memory import peak_memory_bytes, restart_peak_memory
from moongate.models.source import BaseSource

# Large enough that the rate no longer grows, small enough for a second's work.
_SIDES = {"cpu": 2048, "cuda": 8192}
_TRIALS = 8


class Meter:
    """The highest memory of a stretch of work, and its true end."""

    def __init__(self, device: str) -> None:
        self._device = device

    @property
    def _on_gpu(self) -> bool:
        return self._device.startswith("cuda")

    def restart(self) -> None:
        """Begin a stretch, when what was asked of the device before is done."""
        self.wait()
        restart_peak_memory()
        if self._on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)

    def wait(self) -> None:
        """Return when the device has done what was asked of it."""
        if self._on_gpu:
            import torch

            torch.cuda.synchronize(self._device)

    def peak_bytes(self) -> int:
        """Return the highest memory since the restart: the GPU's own, or the process's resident one."""
        if self._on_gpu:
            import torch

            return int(torch.cuda.max_memory_allocated(self._device))
        return peak_memory_bytes()


@cache
def matrix_rate(device: str, precision: str) -> float:
    """Return the floating point operations a second of a large matrix product, the best of some.

    Args:
        device: "cpu", "cuda" or "cuda:<n>".
        precision: "float32" or "bfloat16".
    """
    import torch

    from moongate.models.devices import torch_dtype

    side, meter = _SIDES[device.partition(":")[0]], Meter(device)
    left, right = (torch.ones(side, side, dtype=torch_dtype(precision), device=device) for _ in range(2))
    best = float("inf")
    for _ in range(_TRIALS):
        meter.wait()
        started = perf_counter()
        torch.mm(left, right)
        meter.wait()
        best = min(best, perf_counter() - started)
    return 2 * side**3 / best


@cache
def unet_operations(base: BaseSource, device: str) -> float:
    """Return the floating point operations of one sample through the UNet, forward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from moongate.models.base import load_model

    model = load_model(base, device, "float32")
    latent = torch.zeros(1, *model.latent_shape, device=model.device)
    text = torch.zeros(1, model.max_tokens, model.unet.config.cross_attention_dim, device=model.device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.unet(latent, torch.zeros(1, device=model.device), encoder_hidden_states=text)
    return float(counter.get_total_flops())
