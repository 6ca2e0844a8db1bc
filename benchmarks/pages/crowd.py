"""A store with many runs, made from one: each with artifacts of its own, so that nothing is shared."""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

from moongate.artifacts.manifest import MANIFEST_NAME
from moongate.runs import RunRecord

# The others are not read by the index.
READ = frozenset({"ingest", "train", "sample", "evaluate"})


def crowd(source: Path, model: RunRecord, count: int, target: Path) -> None:
    """Write `count` runs like `model`, which lies in the store `source`, into a new store at `target`.

    Each gets an id, a subject and digests of its own; the files behind them are linked and not copied.
    """
    for number in range(count):
        digests = {
            entry.digest: sha256(f"{number} {entry.digest}".encode()).hexdigest()
            for entry in model.current()
            if entry.digest and entry.stage in READ
        }
        for digest, own in digests.items():
            for manifest in source.glob(f"artifacts/*/{digest}/{MANIFEST_NAME}"):
                copy = target / "artifacts" / manifest.parent.parent.name / own
                shutil.copytree(manifest.parent, copy, copy_function=os.link)
        _write(target, model, number, digests)


def _write(target: Path, model: RunRecord, number: int, digests: dict[str, str]) -> None:
    subject = f"subject_{number % 50:02d}"
    stages = tuple(
        entry.model_copy(update={"digest": digests.get(entry.digest, entry.digest)})
        for entry in model.current()
    )
    run_id = f"r20260101-{number:06d}-{subject}-{number:04x}"
    record = model.model_copy(update={"run_id": run_id, "stages": stages})
    folder = target / "runs" / run_id
    folder.mkdir(parents=True)
    content = json.loads(record.model_dump_json())
    content["config"]["subject"]["name"] = subject
    (folder / "run.json").write_text(json.dumps(content), encoding="utf-8")
