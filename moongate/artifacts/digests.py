"""Digests: the one way in which values, bytes and files become addresses."""

import hashlib
import json
from pathlib import Path

_BLOCK_BYTES = 1 << 20


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`: keys sorted, no spaces, no NaN.

    Raises:
        ValueError: when `value` holds NaN or an infinity.
        TypeError: when `value` is not made of JSON types.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def json_digest(value: object) -> str:
    """Return the sha256 (64 hex digits) of the canonical JSON of `value`."""
    return bytes_digest(canonical_json(value).encode("utf-8"))


def bytes_digest(content: bytes) -> str:
    """Return the sha256 (64 hex digits) of `content`."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 (64 hex digits) of a file, read in blocks so that its size does not matter."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            state.update(block)
    return state.hexdigest()
