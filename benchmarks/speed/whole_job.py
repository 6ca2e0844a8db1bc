"""The whole main job, with little work in each stage, against the same stages as a plain script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.speed.bench import Bench
from benchmarks.speed.commands import command, prefect_server
from benchmarks.speed.racing import Contender, Laps
from benchmarks.speed.rows import Row, compared
from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.overrides import load_config

NAME = "whole-job"
HOME = "MOONGATE_HOME"
_TARGET = 0.05
_NO_JOB = "the store has no main job that was built from nothing: `make run` first, then `make bench`"


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the job with a running server and with a private one against the script, and the share."""
    settings = [f"base.device={bench.device}", *bench.size.job_settings]
    words = [word for setting in settings for word in ("--set", setting)]
    run = ["-m", "flows.cli", "run", "--quiet", *words]
    with prefect_server(bench.scratch / "server") as url:
        laps = bench.race(
            NAME,
            (
                _contender("served", run, {"PREFECT_API_URL": url}),
                _contender("private", run, {}),
                _contender("plain", ["-m", "benchmarks.speed.plain_job", *words], {}),
            ),
            bench.size.job_rounds,
        )
    yield from _rows(bench, laps)


def overhead(with_prefect: Laps, plain: Laps) -> float:
    """Return the seconds that Prefect adds to a job: the median over the rounds of the difference."""
    pairs = zip(with_prefect.laps, plain.laps, strict=True)
    return float(np.median([a.seconds - b.seconds for a, b in pairs]))


def main_job_seconds(root: Path) -> float | None:
    """Return how long the newest main job took that built everything; None when the store has none."""
    found, main_job = None, load_config(None, ())
    for path in sorted((root / "tables" / "runs").glob("*.parquet")):
        stages = root / "tables" / "stages" / path.name
        if stages.exists() and not any(_built(stages)):
            continue
        (row,) = pq.read_table(path, columns=["status", "until", "wall_s", "config_json"]).to_pylist()
        is_whole = (row["status"], row["until"]) == ("completed", "record")
        if is_whole and RunConfig.model_validate_json(row["config_json"]) == main_job:
            found = float(row["wall_s"])
    return found


def _built(stages: Path) -> list[bool]:
    """Return [True] when every stage but the record was built, and nothing was taken from the store."""
    cached = pq.read_table(stages, columns=["cached"])["cached"].to_pylist()
    return [not any(cached)]


def _contender(name: str, words: list[str], environment: dict[str, str]) -> Contender:
    arguments = {"words": words, "environment": environment, "fresh": HOME}
    return Contender(name, command, arguments, warm_ups=0)


def _rows(bench: Bench, laps: dict[str, Laps]) -> Iterator[Row]:
    plain = ("the same stages as a plain script", laps["plain"])
    job = main_job_seconds(Store.from_environment().root)
    for name, words in (("served", "a running Prefect server"), ("private", "a private Prefect server")):
        row = compared(
            bench.subject(NAME),
            f"a short job from an empty store, {words}",
            "s",
            1.0,
            (f"moongate run, {words}", laps[name]),
            plain,
        )
        more = overhead(laps[name], laps["plain"])
        yield row
        yield Row(
            workload=NAME,
            case=f"what Prefect adds to a job, {words}",
            model=row.model,
            device=row.device,
            ours=f"moongate run, {words}",
            unit="s",
            ours_value=more,
            rounds=row.rounds,
            note="it does not grow with the work in a stage: the same 18 task runs in every job",
        )
        yield _share(row, words, more, job)


def _share(row: Row, words: str, more: float, job: float | None) -> Row:
    """Return the share of the main job's time; without one in the store, the row says how to get it."""
    known = f"the newest main job in the store that was built from nothing took {job or 0:.0f} s"
    return Row(
        workload=NAME,
        case=f"orchestration's share of the main job, {words}",
        model=row.model,
        device=row.device,
        ours=f"moongate run, {words}",
        unit="share of the job",
        ours_value=more / job if job else None,
        rounds=row.rounds,
        note=known
        if job
        else "no main job in the store that was built from nothing: `make run` first, then `make bench`",
    ).aimed("ours", "at most", _TARGET)
