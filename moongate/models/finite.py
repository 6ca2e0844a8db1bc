"""What stopped being numbers is found where it arises, with the names of the pictures."""

from collections.abc import Sequence

import torch
from torch import Tensor

from moongate.bad_items import BadItem
from moongate.errors import NumericsError


def finite_rows(latents: Tensor) -> list[bool]:
    """Return for each row of (B, ..., n) whether all of its numbers are finite."""
    found: list[bool] = latents.flatten(1).isfinite().all(dim=1).tolist()
    return found


def zeroed(latents: Tensor, sound: Sequence[bool]) -> Tensor:
    """Return (B, C, h, w) with zeros in the rows that are not sound.

    So a batch keeps its shape, and with it the rounding of the sound ones.
    """
    mask = latents.new_tensor(sound, dtype=torch.bool).reshape(-1, *[1] * (latents.ndim - 1))
    return latents.where(mask, latents.new_zeros(()))


def not_finite(name: str, where: str) -> BadItem:
    """Return the picture `name` as one that has no result."""
    return BadItem(name, "not_finite", f"NaN or infinity in {where}")


def not_finite_error(names: Sequence[str], total: int, *, where: str, fix: str) -> NumericsError:
    """Return the error of a batch of `total` pictures, of which `names` are not finite."""
    return NumericsError(
        f"{len(names)} of {total} pictures have numbers that are not finite",
        where=where,
        why=f"NaN or infinity in: {', '.join(names)}",
        fix=fix,
    )


def require_finite(latents: Tensor, names: Sequence[str], *, where: str, fix: str) -> None:
    """Check latents, or losses, of a batch.

    Args:
        latents: (B, ..., n) float.
        names: B names, for the message.
        where: the stage and the quantity.
        fix: what to do next.

    Raises:
        NumericsError: when a value is NaN or infinite; it names the pictures.
    """
    sound = finite_rows(latents)
    if bad := [name for name, is_finite in zip(names, sound, strict=True) if not is_finite]:
        raise not_finite_error(bad, len(names), where=where, fix=fix)
