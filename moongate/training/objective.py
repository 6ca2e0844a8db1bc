"""What a training run minimises, seen from the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True)
class Losses:
    """The loss of some slots of one step.

    Attributes:
        total: () float32, the mean over the slots; what is differentiated.
        parts: named () float32 terms of it, for the record only.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """A loss as a function of (step, slots), with the modules that it trains.

    A step optimises `batch_size` slots. Everything random about a slot (which picture, timestep, noise,
    flip, dropped caption) is a function of (seed, step, slot), so that splitting a batch over micro-batches
    or processes, or resuming in the middle, changes nothing but float rounding.

    Attributes:
        batch_size: slots of a step.
        separable: whether the loss is a mean over slots that do not see each other. One that compares slots
            (a contrastive loss) is another loss on a part of them, so its batch is never split.
    """

    batch_size: int
    separable: bool = True

    @abstractmethod
    def forward(self, step: int, slots: Sequence[int]) -> Losses:
        """Return the mean loss over `slots`, some of `range(batch_size)`, of step `step` (from 0)."""

    @abstractmethod
    def trained_modules(self) -> Mapping[str, nn.Module]:
        """Return the modules that are optimised and saved, by the name under which they are saved."""

    def frozen_modules(self) -> Mapping[str, nn.Module]:
        """Return the modules that take part and must not change, by name."""
        return {}

    def ingredients(self, step: int, slots: Sequence[int]) -> tuple[str, ...]:
        """Return what each of `slots` of step `step` is made of, in words for a message."""
        return tuple(f"slot {slot}" for slot in slots)

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """Return every parameter that requires a gradient as `<module>.<parameter>`, in a fixed order."""
        return {
            f"{module_name}.{name}": parameter
            for module_name, module in sorted(self.trained_modules().items())
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }


class ValidatedObjective(Objective):
    """An objective with held-out data to be judged on."""

    @abstractmethod
    def validation_loss(self) -> float:
        """Return the loss on held-out data at fixed noise and timesteps; lower is better."""
