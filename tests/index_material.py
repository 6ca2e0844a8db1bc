"""Whole runs for the index, without torch: artifacts that a page shows, and records of every kind of end."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from moongate.artifacts.refs import AdapterRef, Ref, SampleSetRef
from moongate.artifacts.schemas import VALIDATION
from moongate.artifacts.store import Store
from moongate.artifacts.tables import write_table
from moongate.config import RunConfig
from moongate.overrides import with_overrides
from moongate.runs import RunRecord, StageEntry, run_folder
from tests.run_material import metrics, pictures, publish, samples

START = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)


def run_id(number: int, subject: str = "duck") -> str:
    """The id of run `number`; runs start an hour apart."""
    return f"r20261121-{8 + number:02d}0000-{subject}-{number:04d}"


def shown_run(
    store: Store,
    number: int,
    caption: str = "a duck",
    settings: tuple[str, ...] = (),
    drawn: SampleSetRef | None = None,
    **changes: object,
) -> RunRecord:
    """Write the record of a run with pictures, figures and a curve; `changes` are fields of its record."""
    config = with_overrides(RunConfig(), ["subject.name=duck", *settings])
    made: tuple[tuple[str, str, Ref], ...] = (
        ("ingest", "train", pictures(store, f"train-{len(caption)}", caption)),
        ("train", "tuned", fit(store)),
        ("sample", "base", samples(store, "base")),
        ("sample", "tuned", drawn or samples(store, "tuned")),
        ("evaluate", "all", metrics(store)),
    )
    stages = tuple(_entry(stage, role, ref) for stage, role, ref in made)
    record = RunRecord(
        run_id=run_id(number),
        status="completed",
        started_utc=(START + timedelta(hours=number)).isoformat(timespec="milliseconds"),
        ended_utc=(START + timedelta(hours=number, minutes=2)).isoformat(timespec="milliseconds"),
        config=config,
        stages=stages,
        verdict="good",
        verdict_reason="subject fidelity 80 %",
    )
    return written(store, record.model_copy(update=changes))


def bare_run(store: Store, number: int, **changes: object) -> RunRecord:
    """Write the record of a run that made nothing."""
    started = (START + timedelta(hours=number)).isoformat(timespec="milliseconds")
    record = RunRecord(run_id=run_id(number), started_utc=started, config=RunConfig())
    return written(store, record.model_copy(update=changes))


def written(store: Store, record: RunRecord) -> RunRecord:
    """Put a record where `moongate.runs` finds it."""
    folder = run_folder(store.root, record.run_id)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(record.model_dump_json(), encoding="utf-8")
    return record


def fit(store: Store) -> AdapterRef:
    """What training leaves for a curve: three validations, and that step 20 was kept."""

    def build(folder: Path) -> None:
        losses = [
            {"step": step, "validation_loss": loss, "chosen": step == 20}
            for step, loss in ((10, 0.4), (20, 0.2), (30, 0.3))
        ]
        write_table(folder / "validation.parquet", losses, VALIDATION)
        (folder / "adapter.json").write_text(json.dumps({"step": 20, "reason": "lowest"}))

    return publish(store, "train", "fit", AdapterRef, build)


def _entry(stage: str, role: str, ref: Ref) -> StageEntry:
    return StageEntry(
        stage=stage,
        role=role,
        attempt=1,
        kind=ref.kind,
        digest=ref.digest,
        cached=stage == "ingest",
        wall_s=1.0,
        items=2,
        unet_evals=4,
        device="cpu",
        peak_memory_bytes=2**28,
    )
