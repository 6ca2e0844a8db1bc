"""Proof that a training changes what it should, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from moongate.errors import NumericsError
from moongate.training.objective import Objective

_SHOWN = 3


class MovementCheck:
    """Remembers digests of an objective's tensors, and tells whether what is trained moved, and only that.

    Digests and not copies, for a copy would take as much memory as the model. A module counts as moved when
    one of its tensors did, for single tensors may have no gradient by construction; but each tensor that is
    to be trained must have been reached by one.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._trained = _digests(objective.trained_parameters().items())
        self._frozen = _digests(_frozen_tensors(objective))

    def verify(self, step: int, reached: Iterable[str]) -> None:
        """Compare with how it was.

        Args:
            step: optimizer steps since then, for the message.
            reached: names of the trained parameters that have had a gradient.

        Raises:
            NumericsError: when it is not as it should be; it names modules and tensors.
        """
        if changed := _changed(self._frozen, _digests(_frozen_tensors(self._objective))):
            raise _error("what is frozen has moved", step, changed)
        if missed := sorted(self._trained.keys() - set(reached)):
            raise _error("no gradient reaches what is to be trained", step, missed)
        moved = _changed(self._trained, _digests(self._objective.trained_parameters().items()))
        modules = {name.partition(".")[0] for name in moved}
        if idle := sorted(self._objective.trained_modules().keys() - modules):
            raise _error("what is to be trained has not moved", step, idle)


def _frozen_tensors(objective: Objective) -> Iterable[tuple[str, Tensor]]:
    """Yield what no step may change: frozen modules whole, and frozen parameters of trained ones."""
    for module_name, module in sorted(objective.trained_modules().items()):
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                yield f"{module_name}.{name}", parameter
    for module_name, module in sorted(objective.frozen_modules().items()):
        yield from _named(module_name, module)


def _named(module_name: str, module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        yield f"{module_name}.{name}", tensor


def _digests(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, bytes]:
    return {name: _digest(tensor) for name, tensor in tensors}


def _digest(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(flat.numpy().data).digest()


def _changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name, digest in before.items() if after.get(name) != digest)


def _error(what: str, step: int, names: Sequence[str]) -> NumericsError:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return NumericsError(
        what,
        where=f"training, after {step} steps: {', '.join(names[:_SHOWN])}{more}",
        why="the digest of each tensor was compared with the one before the first step",
        fix="if train.learning_rate is so small that it rounds away, raise it; otherwise the objective is "
        "built wrongly, and its result would not be what it says",
    )
