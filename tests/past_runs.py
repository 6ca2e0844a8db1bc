"""Runs of a two-stage chain as a store remembers them: real artifacts, real records."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel

from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef, MetricsRef
from moongate.artifacts.schemas import SUMMARY
from moongate.artifacts.store import BuildFacts, Store
from moongate.artifacts.tables import write_table
from moongate.config import RunConfig
from moongate.overrides import with_overrides
from moongate.runs import RunRecord, going_on

START = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)


class TrainKnobs(BaseModel):
    steps: int


class EvaluateKnobs(BaseModel):
    draws: int = 100


def past_run(
    store: Store,
    number: int,
    *,
    steps: int = 400,
    pictures: str = "p1",
    figure: float = 0.5,
    revision: int = 1,
) -> RunRecord:
    """Perform run `number`: train on `pictures`, evaluate what was trained. Runs start an hour apart."""
    config = with_overrides(RunConfig(), [f"train.steps={steps}"])
    started = (START + timedelta(hours=number)).isoformat(timespec="milliseconds")
    record = RunRecord(run_id=run_id(number), started_utc=started, config=config)
    train = Recipe("train", revision, TrainKnobs(steps=steps), (("pictures", pictures),), AdapterRef)
    evaluate = Recipe("evaluate", 1, EvaluateKnobs(), (("adapter", train.digest),), MetricsRef)
    with going_on(store.root, record) as run:
        run.add("train", "tuned", store.obtain(train, _weights))
        run.add("evaluate", "all", store.obtain(evaluate, lambda folder: _summary(folder, figure)))
        run.add_record(0.1)
    return run.record


def run_id(number: int) -> str:
    """The id of run `number`."""
    return f"r20261121-{8 + number:02d}0000-duck-{number:04d}"


def _weights(folder: Path) -> BuildFacts:
    (folder / "weights.bin").write_bytes(b"weights")
    return BuildFacts(items=1, unet_evals=10)


def _summary(folder: Path, figure: float) -> None:
    shared = {"low": None, "high": None, "n": 4, "status": "ok", "direction": "higher", "unit": "image"}
    shared |= {"num_units": 4, "interval": "none", "lost": 0}
    rows = [
        {"metric": "fidelity.tiny", "model": "tuned", "value": figure},
        {"metric": "fidelity.tiny", "model": "base", "value": 0.25},
    ]
    write_table(folder / "summary.parquet", [shared | row for row in rows], SUMMARY)
