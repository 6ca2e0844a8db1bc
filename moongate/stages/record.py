"""Record: the tables, contact sheets, report and exported model of one run. None is content addressed."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from moongate.artifacts.durability import atomic_file
from moongate.artifacts.manifest import library_versions
from moongate.artifacts.refs import AdapterRef, ImageSetRef, InversionsRef, MetricsRef, Ref, SampleSetRef
from moongate.artifacts.room import writing_explained
from moongate.artifacts.store import Store
from moongate.artifacts.tables import stamped, write_run_table
from moongate.config import RunConfig
from moongate.models.footprint import Footprint
from moongate.models.source import BaseSource
from moongate.report.drawings import SHEETS_NAME, kept_curves
from moongate.report.export import export_model, is_exported
from moongate.runs import RunRecord, StageEntry, run_folder
from moongate.stages.context import StageContext

if TYPE_CHECKING:
    from moongate.report.album import Sheet
    from moongate.report.evidence import Ancestry, Evidence, RunFacts, SettingGroup, StageFact

STAGE = "record"


@dataclass(frozen=True)
class RecordInputs:
    """Everything of a run that is worth keeping. What a run skipped is None or empty, and the report says so.

    Attributes:
        run: its id, its times, and its stage instances so far.
        base: the model it started from.
        instance: the training pictures.
        adapter: what was learned.
        holdout: pictures of the subject kept from training.
        evaluation: the pictures that were inverted.
        inversions: under either model; the rows name it, so order does not matter.
        samples: by either model, of the prompt set and the plain class, from noise or from inverted latents.
        metrics: the figures.
    """

    run: RunRecord
    base: BaseSource
    instance: ImageSetRef
    adapter: AdapterRef
    holdout: ImageSetRef | None = None
    evaluation: ImageSetRef | None = None
    inversions: tuple[InversionsRef, ...] = ()
    samples: tuple[SampleSetRef, ...] = ()
    metrics: MetricsRef | None = None

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id


@dataclass(frozen=True)
class RecordRef:
    """Where a run was recorded."""

    run_id: str
    report: Path


def record(config: RunConfig, inputs: RecordInputs, context: StageContext) -> RecordRef:
    """Write the run's tables, sheets, report and exported model; doing it again replaces them.

    Raises:
        StoreError: when an artifact is absent, its tables are not of this version, or the disk is full.
        ModelError: when the adapter does not fit the base.
    """
    folder = run_folder(context.store.root, inputs.run_id)
    report = folder / "report.html"
    with writing_explained(folder):
        context.store.require_room(_room(folder, inputs, context.store), STAGE)
        folder.mkdir(parents=True, exist_ok=True)
        evidence = gather(config, inputs, context.store)
        write_tables(config, inputs, context.store)
        _write_sheets(folder / SHEETS_NAME, evidence, config.record.contact_sheet_columns)
        export_model(folder, inputs.base, inputs.adapter, context.store)
        _write_report(report, evidence, kept_curves(folder, inputs.adapter.digest, evidence.fit))
    return RecordRef(inputs.run_id, report)


def _room(folder: Path, inputs: RecordInputs, store: Store) -> int:
    """Return the most bytes that a record takes: the exported model, and every drawn picture three times.

    That is in its table, on its sheet, and in the report.
    """
    size = Footprint.of(inputs.base)
    is_there = is_exported(folder, inputs.base, inputs.adapter)
    model = 0 if is_there else size.unet + size.vae + size.text_encoder
    pictures = [*inputs.samples, *inputs.inversions]
    drawn = sum(record.bytes for ref in pictures for record in store.manifest(ref).files)
    return model + 3 * drawn


def gather(config: RunConfig, inputs: RecordInputs, store: Store) -> "Evidence":
    """Read everything that the report shows from the run's artifacts."""
    from moongate.report import reading
    from moongate.report.evidence import Evidence

    metrics = store.folder(inputs.metrics) if inputs.metrics else None
    return Evidence(
        run=_run_facts(config, inputs),
        training=reading.read_subject_pictures(store.folder(inputs.instance)),
        holdout=reading.read_subject_pictures(store.folder(inputs.holdout)) if inputs.holdout else (),
        shots=reading.read_shots(store.folder(ref) for ref in inputs.samples),
        inversions=reading.read_inversions(store.folder(ref) for ref in inputs.inversions),
        fit=reading.read_training(store.folder(inputs.adapter)),
        scores=reading.read_scores(metrics) if metrics else (),
        picture_scores=reading.read_picture_scores(metrics) if metrics else (),
        stages=tuple(_stage_fact(entry) for entry in inputs.run.current()),
    )


def write_tables(config: RunConfig, inputs: RecordInputs, store: Store) -> None:
    """Write the run's part of every table of results; a table without rows in this run gets no file."""
    run = inputs.run
    metrics = [inputs.metrics] if inputs.metrics else []
    copies: tuple[tuple[str, str, Sequence[Ref]], ...] = (
        ("train_steps", "train", [inputs.adapter]),
        ("validation", "train", [inputs.adapter]),
        ("inversions", "invert", inputs.inversions),
        ("samples", "sample", inputs.samples),
        ("metrics", "evaluate", metrics),
        ("summary", "evaluate", metrics),
    )
    own = {"run_id": inputs.run_id, "subject": config.subject.name}
    for name, stage, refs in copies:
        if parts := [part for ref in refs if (part := _rows_of(store, ref, name))]:
            _write_rows(store, name, stamped(pa.concat_tables(parts), **own), stage, run)
    offered = [stamped(rows, **own, role=role) for role, rows in _offered(inputs, store)]
    _write_rows(store, "inputs", pa.concat_tables(offered), "ingest", run)


def _offered(inputs: RecordInputs, store: Store) -> Iterator[tuple[str, pa.Table]]:
    """Yield the verdicts on each folder's files, under the role that the ingest stage had."""
    ingested = {"train": inputs.instance, "holdout": inputs.holdout, "evaluation": inputs.evaluation}
    for role, ref in ingested.items():
        if ref and (rows := _rows_of(store, ref, "inputs")):
            yield role, rows


def _rows_of(store: Store, ref: Ref, name: str) -> pa.Table | None:
    """Return what an artifact holds of a table; None when it has no row of it."""
    path = store.folder(ref) / f"{name}.parquet"
    if not path.exists():
        return None
    rows = pq.read_table(path)
    return rows.replace_schema_metadata(None) if rows.num_rows else None


def _write_rows(store: Store, name: str, rows: pa.Table, stage: str, run: RunRecord) -> None:
    # The attempt of a run is no part of these files' names: a retry replaces what the attempt before it left.
    write_run_table(store.root, name, rows, run_id=run.run_id, stage=stage)


def _stage_fact(entry: StageEntry) -> "StageFact":
    from moongate.report.evidence import StageFact

    return StageFact(**entry.model_dump(exclude={"kind", "attempt", "leased", "rebuilt", "lost"}))


def _ended(run: RunRecord) -> datetime:
    return datetime.fromisoformat(run.ended_utc) if run.ended_utc else datetime.now(UTC)


def _run_facts(config: RunConfig, inputs: RecordInputs) -> "RunFacts":
    from moongate.report.evidence import RunFacts

    return RunFacts(
        run_id=inputs.run_id,
        subject=config.subject.name,
        class_noun=config.subject.class_noun,
        identifier=config.subject.identifier,
        class_prompt=config.subject.class_text(),
        base_model=inputs.base.label,
        base_digest=inputs.base.digest(),
        seed=config.seed,
        confidence=config.evaluate.confidence,
        gate=config.gate,
        started_at=datetime.fromisoformat(inputs.run.started_utc),
        finished_at=_ended(inputs.run),
        versions=tuple((item.name, item.version) for item in library_versions()),
        settings=_setting_groups(config),
        caveats=inputs.run.caveats(),
        verdict=inputs.run.verdict,
        verdict_reason=inputs.run.verdict_reason,
        ancestry=_ancestry(inputs.run),
    )


def _ancestry(run: RunRecord) -> "Ancestry | None":
    from moongate.report.evidence import Ancestry

    return Ancestry(run.parent, run.from_stage or "", run.overrides, run.force) if run.parent else None


def _setting_groups(config: RunConfig) -> tuple["SettingGroup", ...]:
    from moongate.report.evidence import Setting, SettingGroup

    own = tuple(
        Setting(name, str(getattr(config, name)), RunConfig.model_fields[name].description or "")
        for name in ("seed", "on_bad_item")
    )
    groups = [SettingGroup("run", "The whole run.", own)]
    for name, declared in RunConfig.model_fields.items():
        section = getattr(config, name)
        if not hasattr(section, "model_dump"):
            continue
        settings = tuple(
            Setting(key, str(value), type(section).model_fields[key].description or "")
            for key, value in section.model_dump(mode="json").items()
        )
        groups.append(SettingGroup(name, declared.description or "", settings))
    return tuple(groups)


def _write_sheets(folder: Path, evidence: "Evidence", columns: int) -> None:
    from moongate.report.album import sheets_of
    from moongate.report.sheets import contact_sheet, write_sheet

    def write(sheet: "Sheet") -> None:
        write_sheet(folder / f"{sheet.name}.png", contact_sheet(sheet.title, sheet.cells, columns))

    folder.mkdir(exist_ok=True)
    # Pictures are compressed outside the interpreter's lock, so sheets keep several cores busy.
    with ThreadPoolExecutor() as pool:
        deque(pool.map(write, sheets_of(evidence)), maxlen=0)


def _write_report(path: Path, evidence: "Evidence", curves: Mapping[str, str]) -> None:
    from moongate.report.page import build_page, render

    _write_text(path, render(build_page(evidence, curves)))


def _write_text(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
