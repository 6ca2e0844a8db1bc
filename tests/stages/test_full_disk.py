"""A disk that fills up in the middle of a stage: nothing is broken, and the same call goes on afterwards."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.faults.limits import Flood, short_files
from moongate.artifacts.store import Store
from moongate.config import CacheConfig, RunConfig, TrainConfig
from moongate.errors import StoreError
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.context import StageContext
from moongate.stages.record import record
from moongate.stages.train import TrainInputs, train
from tests.run_material import RUN_ID, run_inputs

DISK = 64 * 2**20
TRAINING = TrainConfig(
    steps=6, batch_size=1, prior_weight=0.0, warmup_steps=0, checkpoint_every=2, selection="last"
)


@pytest.fixture
def disk(small_disk) -> Path:
    return small_disk(DISK)


@pytest.fixture
def context(disk) -> StageContext:
    return StageContext(Store(disk / "store"), device="cpu")


def left_behind(store: Store) -> list[Path]:
    return [path for path in store.root.rglob(".*") if path.name != ".gitignore"]


def test_caching_leaves_nothing_behind_and_is_done_again(base, context, disk, put_images) -> None:
    inputs, flood = CacheInputs(put_images(context), base), Flood(disk, after=3)
    with pytest.raises(StoreError, match="the disk is full"):
        cache(CacheConfig(shard_rows=2, batch_size=1), inputs, replace(context, progress=flood))
    assert left_behind(context.store) == []
    flood.dry_up()
    assert not cache(CacheConfig(shard_rows=2), inputs, context).cached


def test_training_goes_on_from_the_last_whole_checkpoint(base, context, disk, put_images, tmp_path) -> None:
    latents = cache(CacheConfig(), CacheInputs(put_images(context), base), context).ref
    inputs, flood = TrainInputs(base, "float32", "sks", "duck", 0, latents, None, None), Flood(disk, after=3)
    with pytest.raises(StoreError, match="the disk is full") as stopped:
        train(TRAINING, inputs, replace(context, progress=flood))
    assert "No space left on device" in stopped.value.why
    assert left_behind(context.store) == []
    flood.dry_up()
    again = Flood(disk, after=-1)
    resumed = train(TRAINING, inputs, replace(context, progress=again)).ref
    assert again.seen == [2, 1, 1, 1, 1]
    undisturbed = StageContext(Store(tmp_path / "undisturbed"), device="cpu")
    same = cache(CacheConfig(), CacheInputs(put_images(undisturbed), base), undisturbed).ref
    whole = train(TRAINING, replace(inputs, instance=same), undisturbed).ref
    assert whole == resumed
    expected = (undisturbed.store.folder(whole) / "unet.safetensors").read_bytes()
    assert (context.store.folder(resumed) / "unet.safetensors").read_bytes() == expected


def test_a_stage_that_cannot_fit_is_refused_before_any_work(base, small_disk, put_images) -> None:
    tight = StageContext(Store(small_disk(3 * 2**20) / "store"), device="cpu")
    latents = cache(CacheConfig(), CacheInputs(put_images(tight), base), tight).ref
    inputs, progress = TrainInputs(base, "float32", "sks", "duck", 0, latents, None, None), Flood(Path(), -1)
    with pytest.raises(StoreError, match="too little room on the disk for the train stage"):
        train(TRAINING, inputs, replace(tight, progress=progress))
    assert progress.seen == []
    assert left_behind(tight.store) == []


def test_recording_leaves_no_half_model_and_is_done_again(base, tmp_path) -> None:
    store = Store(tmp_path / "store")
    inputs, run = run_inputs(store, base), tmp_path / "store" / "runs" / RUN_ID
    with pytest.raises(StoreError, match="a file may not grow any further"), short_files(2**18):
        record(RunConfig(), inputs, StageContext(store))
    assert not list(run.rglob(".*"))
    assert not (run / "model").exists()
    assert record(RunConfig(), inputs, StageContext(store)).report.is_file()
