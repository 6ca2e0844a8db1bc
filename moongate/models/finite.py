"""What stopped being numbers is refused where it arises, with the names of the pictures."""

from collections.abc import Sequence

from torch import Tensor

from moongate.errors import NumericsError


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
    finite = latents.flatten(1).isfinite().all(dim=1).tolist()
    if bad := [name for name, is_finite in zip(names, finite, strict=True) if not is_finite]:
        raise NumericsError(
            f"{len(bad)} of {len(names)} pictures have numbers that are not finite",
            where=where,
            why=f"NaN or infinity in: {', '.join(bad)}",
            fix=fix,
        )
