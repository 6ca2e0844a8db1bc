"""Random numbers as functions of (seed, purpose, item, step): the same in any batch, order, worker or resume.

Nothing here reads or moves the global generator. Every draw is made on the CPU, so a GPU sees the same noise.
"""

import hashlib
import json
from collections.abc import Sequence

import torch
from torch import Tensor

_SEED_BITS = 63


def keyed_seed(seed: int, purpose: str, item: int | str, step: int = 0) -> int:
    """Return the seed of one draw.

    Args:
        seed: the run's seed.
        purpose: what the draw is for, e.g. "z_T"; keeps draws with equal items apart.
        item: which thing it is for: a slot, a sample number or an image id. 1 and "1" are different items.
        step: the optimizer or sampling step it is for.

    Returns:
        An integer in [0, 2**63), from blake2b of the JSON array of the four values.
    """
    key = json.dumps([seed, purpose, item, step], ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.blake2b(key.encode("ascii"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - _SEED_BITS)


def keyed_generator(seed: int, purpose: str, item: int | str, step: int = 0) -> torch.Generator:
    """Return a CPU generator at the start of the stream of (seed, purpose, item, step)."""
    return torch.Generator(device="cpu").manual_seed(keyed_seed(seed, purpose, item, step))


def gaussian(shape: Sequence[int], *, seed: int, purpose: str, item: int | str, step: int = 0) -> Tensor:
    """Return standard normal noise, (*shape) float32 on the CPU."""
    generator = keyed_generator(seed, purpose, item, step)
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float32)


def gaussian_batch(
    shape: Sequence[int], seed: int, purpose: str, items: Sequence[int | str], step: int = 0
) -> Tensor:
    """Return standard normal noise, (B, *shape) float32 on the CPU; row i depends on `items[i]` alone."""
    rows = [gaussian(shape, seed=seed, purpose=purpose, item=item, step=step) for item in items]
    return torch.stack(rows) if rows else torch.empty((0, *shape), dtype=torch.float32)


def integer_batch(high: int, seed: int, purpose: str, items: Sequence[int | str], step: int = 0) -> Tensor:
    """Return uniform integers of [0, high), (B,) int64 on the CPU; row i depends on `items[i]` alone."""
    return torch.tensor(
        [int(torch.randint(high, (), generator=keyed_generator(seed, purpose, i, step))) for i in items],
        dtype=torch.int64,
    )


def uniform_batch(seed: int, purpose: str, items: Sequence[int | str], step: int = 0) -> Tensor:
    """Return uniform numbers of [0, 1), (B,) float64 on the CPU; row i depends on `items[i]` alone."""
    return torch.tensor(
        [
            float(torch.rand((), generator=keyed_generator(seed, purpose, i, step), dtype=torch.float64))
            for i in items
        ],
        dtype=torch.float64,
    )
