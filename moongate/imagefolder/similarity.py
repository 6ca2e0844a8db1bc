"""Pictures that look nearly alike: a difference hash of 64 bits, and the pairs that are a few bits apart."""

import numpy as np
from PIL import Image

from moongate.artifacts.digests import bytes_digest

_SIDE = 8
HASH_BITS = _SIDE * _SIDE
# Of the bundled evaluation pictures no two are closer than 13 bits; one picture saved again as a poor JPEG,
# scaled or brightened stays within 5.
NEAR_BITS = 5
# Below this range of grey levels the bits tell noise apart and no picture.
_LEAST_RANGE = 8


def difference_hash(pixels: np.ndarray) -> int | None:
    """Return 64 bits that say where a picture grows brighter from left to right, or None for a flat one.

    The picture is shrunk to 8 rows of 9 grey levels, and each bit compares two neighbours in a row. Such a
    hash hardly changes with compression, size or brightness (N. Krawetz, "Kind of like that", 2013).

    Args:
        pixels: (H, W, 3) uint8, sRGB.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS)
    levels = np.asarray(grey, dtype=np.int16)
    if int(levels.max() - levels.min()) < _LEAST_RANGE:
        return None
    bits = (levels[:, 1:] > levels[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes())


def bits_apart(one: int, other: int) -> int:
    """Return the number of bits in which two hashes differ."""
    return (one ^ other).bit_count()


class KnownPictures:
    """Remembers pictures by their pixels and by how they look, and holds none of them."""

    def __init__(self) -> None:
        self._first_of: dict[str, str] = {}
        self._lookalikes = Lookalikes()

    def double_of(self, pixels: np.ndarray) -> str | None:
        """Return the name of the remembered picture with the same pixels: for a model they are one."""
        return self._first_of.get(bytes_digest(pixels.tobytes()))

    def lookalike_of(self, pixels: np.ndarray) -> tuple[str, int] | None:
        """Return the name of the remembered picture that looks nearly the same, and how many bits apart."""
        fingerprint = difference_hash(pixels)
        return None if fingerprint is None else self._lookalikes.nearest(fingerprint)

    def remember(self, name: str, pixels: np.ndarray) -> None:
        """Add a picture, (H, W, 3) uint8; of several with the same pixels the first one counts."""
        self._first_of.setdefault(bytes_digest(pixels.tobytes()), name)
        if (fingerprint := difference_hash(pixels)) is not None:
            self._lookalikes.remember(name, fingerprint)


class Lookalikes:
    """Remembers hashes and finds the nearest among them."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._hashes = np.empty(64, np.uint64)

    def nearest(self, fingerprint: int) -> tuple[str, int] | None:
        """Return the name and distance in bits of the nearest remembered hash, the first of several.

        None when there is none within `NEAR_BITS`.
        """
        if not self._names:
            return None
        known = self._hashes[: len(self._names)]
        distances = np.bitwise_count(known ^ np.uint64(fingerprint))
        best = int(distances.argmin())
        return (self._names[best], int(distances[best])) if distances[best] <= NEAR_BITS else None

    def remember(self, name: str, fingerprint: int) -> None:
        """Add a hash."""
        if len(self._names) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.empty_like(self._hashes)])
        self._hashes[len(self._names)] = fingerprint
        self._names.append(name)
