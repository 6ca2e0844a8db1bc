"""The finished batches of an unfinished build: what a build that comes after a killed one need not do again.

One file a batch, `<key>.<sha256>.safetensors`, written to a temporary sibling, synced and renamed. The key is
made from the items of the batch and from what rounding depends on. So a batch is taken up only by a build
that would compute this very batch: a picture beside other pictures, or on another device, differs in its last
bits, and the artifact would not be the one of the build that nobody killed. That is also why a batch and not
a picture is what is kept: to draw the missing half of a batch alone would be to draw another batch.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moongate import interruption
from moongate.artifacts.digests import bytes_digest, canonical_json, json_digest
from moongate.artifacts.durability import atomic_file
from moongate.artifacts.manifest import library_versions

_log = logging.getLogger(__name__)
_SUFFIX = ".safetensors"
_FACTS = "facts"


@dataclass(frozen=True)
class Batch:
    """What was computed for the items of one batch.

    Attributes:
        arrays: results by name, the items along the first axis.
        facts: what else is known, as JSON values.
    """

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)


class FinishedBatches:
    """The finished batches of one build, in a folder that outlives a killed process.

    Args:
        folder: belongs to one recipe; None keeps nothing. Several processes may write to it: a batch is
            published by a rename, and its name says what is in it.
        device: what batches are computed on. One from another kind of device, or made with other versions of
            the libraries, is not taken up.
    """

    def __init__(self, folder: Path | None, device: str = "cpu") -> None:
        self._folder = folder
        self._made_by = [device, *(f"{item.name} {item.version}" for item in library_versions())]
        if count := len(self._files(f"*{_SUFFIX}")):
            _log.info("Going on: %d batches are finished already.", count)

    def find(self, items: Sequence[str]) -> Batch | None:
        """Return the batch of exactly these items, in this order, or None when it is not there.

        A damaged file is logged as a warning, removed, and counts as absent.
        """
        for path in self._files(f"{self._key(items)}.*{_SUFFIX}"):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            if path.name.split(".")[1] == bytes_digest(content):
                return _unpacked(content)
            _log.warning("A finished batch is damaged and will be computed again: %s", path)
            path.unlink(missing_ok=True)
        return None

    def publish(self, items: Sequence[str], batch: Batch) -> None:
        """Keep a batch that was just finished, and leave off here if the process was asked to stop.

        Raises:
            StopError: when somebody asked to stop; the batch is safe by then.
        """
        if self._folder is not None:
            content = _packed(batch)
            name = f"{self._key(items)}.{bytes_digest(content)}{_SUFFIX}"
            # The folder goes when somebody publishes the artifact, and with it the need for this batch.
            with suppress(FileNotFoundError), atomic_file(self._folder / name) as temporary:
                temporary.write_bytes(content)
        interruption.heed()

    def _files(self, pattern: str) -> Sequence[Path]:
        """Return the files that are there; whoever publishes the artifact may remove them at any time."""
        if self._folder is not None:
            with suppress(FileNotFoundError):
                return list(self._folder.glob(pattern))
        return ()

    def _key(self, items: Sequence[str]) -> str:
        return json_digest({"items": list(items), "made_by": self._made_by})[:32]


def _packed(batch: Batch) -> bytes:
    from safetensors.numpy import save

    # The library writes the bytes of an array as they lie in memory, whatever the order of its axes.
    arrays = {name: np.ascontiguousarray(array) for name, array in batch.arrays.items()}
    content: bytes = save(arrays, {_FACTS: canonical_json(dict(batch.facts))})
    return content


def _unpacked(content: bytes) -> Batch:
    """Read what `_packed` wrote: 8 bytes with the length of a JSON header, the header, the numbers."""
    from safetensors.numpy import load

    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return Batch(load(content), json.loads(header["__metadata__"][_FACTS]))
