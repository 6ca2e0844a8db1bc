"""What a build that was killed leaves for the next one: taken up whole and unchanged, or not at all."""

import logging
import shutil
import signal
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from moongate import interruption
from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.interruption import StopError

BATCH = Batch(
    {
        "pixels": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3),
        "z_T": np.array([[1 / 3], [2.0]]),
        "fell_back": np.array([True, False]),
        "half_of_a_larger_one": np.arange(16, dtype=np.float32).reshape(2, 2, 4)[:, :, ::2],
        "axes_swapped": np.arange(12, dtype=np.int64).reshape(2, 2, 3).transpose(0, 2, 1),
    },
    {"unet_evals": 12, "judged": [["duck", None], ["cat", "red"]]},
)


@pytest.fixture
def finished(tmp_path: Path) -> FinishedBatches:
    batches = FinishedBatches(tmp_path)
    batches.publish(["a", "b"], BATCH)
    return batches


def test_a_later_process_finds_every_bit_of_a_batch(finished: FinishedBatches, tmp_path: Path) -> None:
    found = FinishedBatches(tmp_path).find(["a", "b"])
    assert found is not None
    assert found.facts == BATCH.facts
    assert found.arrays.keys() == BATCH.arrays.keys()
    for name, array in BATCH.arrays.items():
        assert (found.arrays[name].dtype, found.arrays[name].tobytes()) == (array.dtype, array.tobytes())


def test_a_batch_that_vanishes_before_it_is_read_counts_as_absent(
    finished: FinishedBatches, tmp_path: Path
) -> None:
    (path,) = tmp_path.glob("*.safetensors")
    path.unlink()
    path.symlink_to(tmp_path / "gone")
    assert finished.find(["a", "b"]) is None


def test_a_folder_that_is_removed_meanwhile_costs_batches_and_no_build(tmp_path: Path) -> None:
    folder, over = tmp_path / "batches", Event()

    def remove() -> None:
        while not over.is_set():
            shutil.rmtree(folder, ignore_errors=True)

    remover = Thread(target=remove)
    remover.start()
    try:
        batches = FinishedBatches(folder)
        for number in range(100):
            batches.publish([str(number)], BATCH)
            batches.find([str(number)])
    finally:
        over.set()
        remover.join()


@pytest.mark.parametrize("items", [["a"], ["b", "a"], ["a", "b", "c"], ["ab"], []])
def test_other_items_are_another_batch(finished: FinishedBatches, items: list[str]) -> None:
    assert finished.find(items) is None


def test_a_batch_from_another_device_is_not_taken_up(finished: FinishedBatches, tmp_path: Path) -> None:
    assert FinishedBatches(tmp_path, "cuda:0").find(["a", "b"]) is None


def test_a_batch_from_another_version_of_a_library_is_not_taken_up(
    finished: FinishedBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moongate.artifacts.manifest._version", lambda name: f"{name} of tomorrow")
    assert FinishedBatches(tmp_path).find(["a", "b"]) is None


@pytest.mark.parametrize("position", [0, 40, -1])
def test_a_flipped_bit_is_found_and_the_batch_is_computed_again(
    finished: FinishedBatches, tmp_path: Path, position: int, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    assert finished.find(["a", "b"]) is None
    assert "is damaged and will be computed again" in caplog.text
    finished.publish(["a", "b"], BATCH)
    assert finished.find(["a", "b"]) is not None


def test_a_half_written_batch_does_not_exist(finished: FinishedBatches, tmp_path: Path) -> None:
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / f".{path.name}.0123.tmp")
    assert finished.find(["a", "b"]) is None


def test_whoever_goes_on_is_told_so(
    finished: FinishedBatches, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        FinishedBatches(tmp_path)
    assert "1 batches are finished already" in caplog.text


def test_a_stop_is_heeded_once_the_batch_is_safe(tmp_path: Path) -> None:
    interruption.ask_to_stop(signal.SIGTERM)
    try:
        with pytest.raises(StopError):
            FinishedBatches(tmp_path).publish(["a", "b"], BATCH)
    finally:
        interruption.forget()
    assert FinishedBatches(tmp_path).find(["a", "b"]) is not None


def test_without_a_folder_nothing_is_kept() -> None:
    batches = FinishedBatches(None)
    batches.publish(["a", "b"], BATCH)
    assert batches.find(["a", "b"]) is None
