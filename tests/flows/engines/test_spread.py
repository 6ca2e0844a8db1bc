"""Two workers with a declared device each: the bytes of a local run, and a kill that costs one task."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
from prefect import flow

from benchmarks.engines.workers import Worker, finished_batches, workers
from flows.engines.choice import EngineChoice
from flows.engines.crews import crew
from moongate.artifacts.store import Obtained, Store
from moongate.config import SampleConfig
from moongate.models.source import BaseSource
from moongate.prompts import PromptRow
from moongate.stages.sample import SampleInputs
from moongate.subject import SubjectConfig
from tasks.policies import Terms
from tasks.sample import sample

CONFIG = SampleConfig(steps=8, seeds_per_prompt=8, batch_size=1)
PROMPTS = (PromptRow("snow", "a {subject} in the snow", "recontextualization"),)


@flow(persist_result=False, validate_parameters=False)
def sampling(inputs: SampleInputs, engine: EngineChoice) -> Obtained:
    with crew(engine) as perform:
        return perform(sample, "base", CONFIG, inputs, Terms("cpu"))


@pytest.fixture
def draw(
    prefect_server: None, tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[EngineChoice], Store]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MOONGATE_DEVICE_SLOTS", raising=False)
    inputs = SampleInputs(
        BaseSource(tiny_sd1, "tiny"), "float32", SubjectConfig(class_noun="duck"), 0, PROMPTS
    )

    def draw(engine: EngineChoice) -> Store:
        home = tmp_path / engine.kind
        home.mkdir()
        monkeypatch.setenv("MOONGATE_HOME", str(home))
        assert sampling(inputs, engine).facts.items == 8
        return Store(home)

    return draw


class Killer(Thread):
    """Kills the first worker that has finished a batch of its shard."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self.home = home
        self.killed: Worker | None = None

    def run(self) -> None:
        while self.killed is None:
            for worker in workers(self.home):
                if finished_batches(self.home, worker.stage, worker.digest):
                    worker.kill()
                    self.killed = worker
                    return
            time.sleep(0.01)


def installed(kind: str):
    missing = find_spec(f"prefect_{kind}") is None
    return pytest.param(
        kind,
        marks=pytest.mark.skipif(missing, reason=f"the extra moongate[{kind}] is not installed"),
    )


@pytest.mark.parametrize("kind", [installed("dask"), installed("ray")])
def test_a_killed_worker_costs_its_task_and_changes_no_byte(kind, draw, tmp_path) -> None:
    killer = Killer(tmp_path / kind)
    killer.start()
    away = draw(EngineChoice(kind=kind, devices=2))
    assert killer.killed is not None
    here = draw(EngineChoice())
    (ours,), (theirs,) = (
        (store.root / "artifacts").glob("sample/*/samples.parquet") for store in (here, away)
    )
    assert ours.read_bytes() == theirs.read_bytes()
