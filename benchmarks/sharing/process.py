"""Processes that ask one store for the same artifacts at the same moment, and read what they get.

python -m benchmarks.sharing.process STORE START FOLDER...    waits for the file START, then ingests them
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from moongate.artifacts.images import read_images
from moongate.artifacts.store import Store
from moongate.config import BaseConfig, IngestConfig
from moongate.models.source import resolve_base
from moongate.stages.context import StageContext
from moongate.stages.ingest import IngestInputs, ingest

PICTURES = 4
_SIDE = 256
_READY = "ready\n"


@dataclass(frozen=True)
class Answer:
    """What one process got for one folder.

    Attributes:
        digest: of the artifact.
        built: whether this process built it.
        pictures: how many it read from it, each decoded.
    """

    digest: str
    built: bool
    pictures: int


def write_folders(place: Path, count: int) -> tuple[Path, ...]:
    """Write so many folders of captioned noise into `place`."""
    return tuple(_write_folder(place / f"folder-{number}", number) for number in range(count))


def share(
    store: Path, folders: Sequence[Path], processes: int, start: Path
) -> tuple[tuple[Answer, ...], ...]:
    """Let so many processes ingest the folders at once, and return the answers of each process.

    Args:
        store: an empty store.
        folders: what all of them ask for, in this order.
        processes: how many.
        start: a file that does not exist yet; none begins before all are ready.
    """
    command = [sys.executable, "-m", "benchmarks.sharing.process", *map(str, (store, start, *folders))]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    for child in children:
        if child.stdout is None or child.stdout.readline() != _READY:
            raise AssertionError("a process did not begin")
    start.touch()
    told = (json.loads(child.communicate(timeout=300)[0]) for child in children)
    return tuple(tuple(Answer(**answer) for answer in answers) for answers in told)


def _write_folder(folder: Path, seed: int) -> Path:
    folder.mkdir()
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for number in range(PICTURES):
        pixels = generator.integers(0, 256, size=(_SIDE, _SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(json.dumps({"file_name": f"{number}.png", "text": "a duck"}))
    (folder / "metadata.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return folder


def _ingest_all(root: Path, folders: Sequence[Path]) -> list[Answer]:
    context, base = StageContext(Store(root), device="cpu"), resolve_base(BaseConfig())
    answers = []
    for folder in folders:
        obtained = ingest(IngestConfig(), IngestInputs(folder, base), context)
        pictures = read_images(context.store.folder(obtained.ref))
        decoded = [picture.pixels() for picture in pictures]
        answers.append(Answer(obtained.ref.digest, not obtained.cached, len(decoded)))
    return answers


def _main(root: Path, start: Path, *folders: Path) -> None:
    print(_READY, end="", flush=True)
    while not start.exists():
        time.sleep(0.005)
    print(json.dumps([asdict(answer) for answer in _ingest_all(root, folders)]))


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:]))
