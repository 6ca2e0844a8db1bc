"""Start-up: help, a run that finds everything in the store, and the test command's own start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.speed.bench import Bench
from benchmarks.speed.commands import command, prefect_server
from benchmarks.speed.racing import Contender, Laps
from benchmarks.speed.rows import Row, alone, compared
from benchmarks.speed.whole_job import HOME

NAME = "start-up"
_HELP_TARGET_S = 0.5
_CACHED_TARGET_S = 5.0
_PYTHON = ["-c", "pass"]


def measure(bench: Bench) -> Iterator[Row]:
    """Yield help against bare Python, fully cached runs, and collecting the tests."""
    yield from _help(bench)
    yield from _cached(bench)
    yield _collection(bench)


def _help(bench: Bench) -> Iterator[Row]:
    laps = bench.race(
        NAME,
        (
            Contender("help", command, {"words": ["-m", "flows.cli", "--help"], "environment": {}}),
            Contender("bare", command, {"words": _PYTHON, "environment": {}}),
        ),
        bench.size.rounds,
    )
    row = compared(
        bench.subject(NAME),
        "help",
        "s",
        1.0,
        ("moongate --help", laps["help"]),
        ("python -c pass", laps["bare"]),
    )
    yield row
    more = laps["help"].each - laps["bare"].each
    yield Row(
        workload=NAME,
        case="help, over bare Python",
        model=row.model,
        device=row.device,
        ours="moongate --help",
        unit="s",
        ours_value=more,
        rounds=row.rounds,
    ).aimed("ours", "at most", _HELP_TARGET_S)


def _cached(bench: Bench) -> Iterator[Row]:
    """Yield a run that builds nothing, with a server running and with a private one."""
    settings = [f"base.device={bench.device}", *bench.size.job_settings]
    words = ["-m", "flows.cli", "run", "--quiet", *(w for s in settings for w in ("--set", s))]
    home = {HOME: str(bench.scratch / "cached")}
    with prefect_server(bench.scratch / "server") as url:
        # The first lap builds everything: it is the warm-up.
        served = Contender(
            "served", command, {"words": words, "environment": home | {"PREFECT_API_URL": url}}
        )
        private = Contender("private", command, {"words": words, "environment": home})
        laps = bench.race(NAME, (served, private), max(2, bench.size.job_rounds))
    subject = bench.subject(NAME)
    row = alone(
        subject, "a fully cached run, a Prefect server running", "s", 1.0, ("moongate run", laps["served"])
    )
    # The highest memory of its process is that of the warm-up, which built everything.
    row = replace(row, ours_peak_bytes=None)
    yield row.aimed("ours", "at most", _CACHED_TARGET_S)
    yield alone(subject, "a fully cached run, a private server", "s", 1.0, ("moongate run", laps["private"]))


def _collection(bench: Bench) -> Row:
    words = ["-m", "pytest", "--collect-only", "-q"]
    tests = Contender("tests", command, {"words": words, "environment": {}}, warm_ups=0)
    laps: dict[str, Laps] = bench.race(NAME, (tests,), 1)
    case = "the test command, until the first test"
    return alone(bench.subject(NAME), case, "s", 1.0, ("pytest --collect-only", laps["tests"]))
