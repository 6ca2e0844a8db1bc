"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """theta_bar <- d theta_bar + (1 - d) theta, where update k has d = min(decay, (1 + k) / (10 + k)).

    The warm-up lets the average forget the initial weights (the form used by TensorFlow's
    ExponentialMovingAverage).
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters = parameters
        self._decay = decay
        self._updates = 0
        self._average = {name: parameter.detach().clone() for name, parameter in parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the present weights."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        torch._foreach_lerp_(
            list(self._average.values()), [p.detach() for p in self._parameters.values()], 1 - decay
        )
        self._updates += 1

    def state(self) -> tuple[dict[str, Tensor], int]:
        """Return the averaged tensors by parameter name, and the number of updates made."""
        return dict(self._average), self._updates

    @torch.no_grad()
    def restore(self, average: Mapping[str, Tensor], updates: int) -> None:
        """Continue from what `state` returned."""
        for name, tensor in self._average.items():
            tensor.copy_(average[name])
        self._updates = updates

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Put the average in the place of the weights for the length of the block."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            held = parameter.detach().clone()
            parameter.copy_(self._average[name])
            self._average[name].copy_(held)
