"""Several processes with a real stage on one store: each artifact is built once, and every reader gets it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moongate.artifacts.store import Store

INGEST_ALL = """
import json, sys, time
from pathlib import Path
import pyarrow.parquet as pq
from moongate.artifacts.store import Store
from moongate.config import BaseConfig, IngestConfig
from moongate.models.source import resolve_base
from moongate.stages.context import StageContext
from moongate.stages.ingest import IngestInputs, ingest

root, start, *folders = map(Path, sys.argv[1:])
print("ready", flush=True)
while not start.exists():
    time.sleep(0.005)
context = StageContext(Store(root), device="cpu")
base = resolve_base(BaseConfig())
answers = []
for folder in folders:
    obtained = ingest(IngestConfig(), IngestInputs(folder, base), context)
    rows = pq.read_table(context.store.folder(obtained.ref) / "images.parquet").num_rows
    answers.append([obtained.ref.digest, obtained.cached, rows])
print(json.dumps(answers))
"""


def write_folder(folder: Path, seed: int, pictures: int = 4) -> Path:
    folder.mkdir()
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for number in range(pictures):
        pixels = generator.integers(0, 256, size=(256, 256, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(json.dumps({"file_name": f"{number}.png", "text": "a duck"}))
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    return folder


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_at_once_build_each_artifact_once_and_read_it_whole(tmp_path: Path, processes: int) -> None:
    folders = [str(write_folder(tmp_path / name, seed)) for seed, name in enumerate(("a", "b", "c"))]
    store, start = tmp_path / "store", tmp_path / "start"
    command = [sys.executable, "-c", INGEST_ALL, str(store), str(start), *folders]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    start.touch()
    answers = [json.loads(child.communicate(timeout=120)[0]) for child in children]
    for of_folder in zip(*answers, strict=True):
        digests, cached, rows = zip(*of_folder, strict=True)
        assert len(set(digests)) == 1
        assert sorted(cached) == [False, *[True] * (processes - 1)]
        assert set(rows) == {4}
    assert len(list((Store(store).root / "artifacts" / "ingest").iterdir())) == len(folders)
