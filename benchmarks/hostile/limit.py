"""Ingest of a whole folder, in a process that the system gives no more memory than is declared.

python -m benchmarks.hostile.limit FOLDER STORE BYTES [TRAINED_ON]

prints a JSON object: pictures accepted, growth.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.hostile.case import BASE
from benchmarks.hostile.folder import encoded, picture, sound_folder
from benchmarks.hostile.memory import KINDS, status_bytes
from moongate.artifacts.store import Store
from moongate.config import IngestConfig
from moongate.errors import CapacityError
from moongate.imagefolder.pictures import MEMORY_PER_FILE_BYTES, MEMORY_PER_PIXEL_BYTES, MEMORY_PER_SET_BYTES
from moongate.stages.context import StageContext
from moongate.stages.ingest import IngestInputs, ingest

_LARGEST = "large.png"


def crowded_folder(path: Path, side: int, others: int) -> Path:
    """Write a folder with one picture of the costliest kind, `side` pixels wide, and many small ones."""
    folder = sound_folder(path)
    folder.put(_LARGEST, next(iter(KINDS.values()))(side))
    for number in range(others):
        folder.put(f"{number:05d}.png", encoded(picture(number + 10)), f"a duck, {number}")
    folder.write_metadata()
    return path


def declared_bytes(folder: Path, side: int) -> int:
    """Return what ingest may take for `crowded_folder`, above what its process holds already."""
    files = sum(1 for _ in folder.iterdir())
    largest = MEMORY_PER_PIXEL_BYTES * side**2 + 2 * (folder / _LARGEST).stat().st_size
    return largest + MEMORY_PER_FILE_BYTES * files + MEMORY_PER_SET_BYTES


def ingest_within(
    folder: Path, store: Path, allowance: int, trained_on: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Ingest a folder, maybe one kept from training, in a process that may grow by `allowance` bytes."""
    given = (folder, store, allowance, *([trained_on] if trained_on else []))
    command = [sys.executable, "-m", "benchmarks.hostile.limit", *map(str, given)]
    # Arrow's own allocator reserves address space by the gigabyte, used or not.
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _ingest(folder: Path, store: Path, trained_on: Path | None = None) -> int:
    config = IngestConfig(max_aspect=10, min_side=1)
    inputs = IngestInputs(folder, BASE, trained_on=trained_on)
    return ingest(config, inputs, StageContext(Store(store))).facts.items


def _main(folder: Path, store: Path, allowance: int, trained_on: Path | None = None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        # What is imported and made once is no folder's.
        first = sound_folder(Path(scratch) / "pictures")
        first.write_metadata()
        _ingest(first.path, Path(scratch) / "store")
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (status_bytes("VmSize") + allowance, hard))
    before = status_bytes("VmRSS")
    try:
        accepted = _ingest(folder, store, trained_on)
    except CapacityError as error:
        sys.exit(str(error))
    print(json.dumps({"accepted": accepted, "growth_bytes": status_bytes("VmHWM") - before}))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), *map(Path, sys.argv[4:5]))
