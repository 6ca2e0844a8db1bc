"""What the tables say of a run itself: one row in `runs`, however it ended, and its stages in `stages`."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from moongate.artifacts.manifest import library_versions
from moongate.artifacts.tables import write_run_table
from moongate.errors import MoongateError
from moongate.models.source import BaseSource
from moongate.runs import Run, RunRecord, StageEntry, going_on

_STAGE = "run"

_log = logging.getLogger(__name__)


@contextmanager
def on_record(root: Path, record: RunRecord, base: BaseSource) -> Iterator[Run]:
    """Open a run as `going_on` does, and enter it in the tables when it ends: also when it fails."""
    run: Run | None = None
    try:
        with going_on(root, record) as run:
            yield run
    except BaseException:
        if run is not None:
            _write_after_failure(root, run.record, base)
        raise
    write_run_tables(root, run.record, base)


def write_run_tables(root: Path, run: RunRecord, base: BaseSource) -> None:
    """Write the run's row of `runs` and its rows of `stages`; a further attempt replaces them."""
    rows = {"runs": [_run_row(run, base)], "stages": [_stage_row(run, entry) for entry in run.stages]}
    for name, content in rows.items():
        # The attempt is no part of the file's name: its rows hold those of the attempts before it.
        write_run_table(root, name, content, run_id=run.run_id, stage=_STAGE)


def _write_after_failure(root: Path, run: RunRecord, base: BaseSource) -> None:
    """Write the tables if that is possible; what ended the run is not hidden behind a full disk."""
    try:
        write_run_tables(root, run, base)
    except (MoongateError, OSError) as fault:
        _log.warning("The end of run %s could not be entered in the tables: %s", run.run_id, fault)


def _run_row(run: RunRecord, base: BaseSource) -> dict[str, object]:
    config, ended = run.config, run.ended_utc or datetime.now(UTC).isoformat(timespec="milliseconds")
    return {
        "run_id": run.run_id,
        "subject": config.subject.name,
        "base": base.label,
        "base_digest": base.digest(),
        "method": config.train.method,
        "seed": config.seed,
        "config_json": config.model_dump_json(),
        "versions": json.dumps({item.name: item.version for item in library_versions()}),
        "started_utc": run.started_utc,
        "ended_utc": ended,
        "wall_s": run.wall_s,
        "status": run.status,
        "error": run.error,
        "verdict": run.verdict or None,
        "verdict_reason": run.verdict_reason or None,
        "until": run.until,
        "parent": run.parent,
        "from_stage": run.from_stage,
        "unet_evals": run.unet_evals,
        "lost": run.lost,
    }


def _stage_row(run: RunRecord, entry: StageEntry) -> dict[str, object]:
    own = {"run_id": run.run_id, "subject": run.config.subject.name}
    return own | entry.model_dump(exclude={"kind", "rebuilt"}) | {"leased": entry.leased or None}
