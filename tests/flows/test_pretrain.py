"""The flow of the pretraining, up to its first step: what surrounds the work."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterName

from flows.pretrain import pretrain
from moongate import interruption
from moongate.artifacts.holding import holder_of
from moongate.errors import StoreError
from moongate.interruption import StopError
from moongate.toybox.pretraining.config import PhaseConfig, PretrainConfig

PHASE = PhaseConfig(steps=1, batch_size=2, learning_rate=1e-3, warmup_steps=0, checkpoint_every=1)
PHASES = ("autoencoder", "decoder", "clip", "identity", "judges", "denoiser")
SHORT = PretrainConfig(
    pictures=8,
    instance_pictures=4,
    held_out=4,
    judged_prompts=2,
    device="cpu",
    precision="float32",
    **dict.fromkeys(PHASES, PHASE),
)
SLOT = f"slot-0@{socket.gethostname()}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, on a machine with one declared slot where work that hangs is ended."""
    for name, value in {
        "MOONGATE_HOME": str(tmp_path / "store"),
        "MOONGATE_DEVICE_SLOTS": "1",
        "MOONGATE_DEVICE_LOCKS": str(tmp_path / "devices"),
        "MOONGATE_HUNG_AFTER_S": "600",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "store"


def test_an_output_that_cannot_be_written_is_told_before_any_work(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the folder for the result cannot be written"):
        pretrain.fn(SHORT, tmp_path / "file" / "weights")
    assert not (store / "pretraining").exists()


def look_and_stop(store: Path, devices: Path, seen: list[str], over: threading.Event) -> None:
    """Wait until the device is held, note what can be seen then, and ask the process to stop."""
    while not over.wait(0.02):
        if holder := holder_of(devices / "slot-0.lock"):
            turn = holder_of(store / "locks" / "pretrain.turn")
            watched = (store / "pretraining" / "watchdog.txt").is_file()
            seen += [holder.purpose, f"turn of {turn and turn.pid}", f"watched: {watched}"]
            interruption.ask_to_stop(signal.SIGTERM)
            return


@pytest.mark.usefixtures("prefect_server")
def test_a_pretraining_is_watched_named_by_its_device_and_alone_in_its_store_where_it_will_end(
    store: Path, tmp_path: Path
) -> None:
    seen: list[str] = []
    over = threading.Event()
    looking = threading.Thread(target=look_and_stop, args=(store, tmp_path / "devices", seen, over))
    looking.start()
    try:
        with pytest.raises(StopError):
            pretrain(SHORT)
    finally:
        over.set()
        looking.join()
        interruption.forget()
    finished = store / "pretraining" / "weights"
    assert seen == [f"pretrain to write {finished}", f"turn of {os.getpid()}", "watched: True"]
    assert finished.is_dir()
    assert not (store / "pretraining" / "watchdog.txt").exists()
    assert recorded_tags(f"pretrain on {SLOT}") == {"stage:pretrain", f"device:{SLOT}"}


def recorded_tags(name: str) -> set[str]:
    """The tags of the task run of this name, once its end has been recorded on the server."""
    wanted = TaskRunFilter(name=TaskRunFilterName(any_=[name]))
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            for task_run in client.read_task_runs(task_run_filter=wanted):
                if task_run.state and task_run.state.is_final():
                    return set(task_run.tags)
            time.sleep(0.1)
    raise AssertionError(f"the end of {name} was never recorded")
