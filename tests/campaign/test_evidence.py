"""What makes two runs one result, and what a run's artifacts took to build."""

import json
from pathlib import Path

import pytest

from moongate.artifacts.manifest import Manifest
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.store import Store
from moongate.campaign.evidence import evidence_of, result_digest
from moongate.config import RunConfig, TrainConfig
from moongate.overrides import with_overrides
from tests.index_material import shown_run


def adapter(store: Store, weights: bytes, base: str = "toybox", **train: object) -> Manifest:
    """What is recorded of a training that kept these weights."""

    def build(folder: Path) -> None:
        (folder / "unet.safetensors").write_bytes(weights)
        (folder / "adapter.json").write_text(json.dumps({"step": 100, "reason": f"of {train}"}))

    recipe = Recipe("train", 1, TrainConfig(**train), (("base", base),), AdapterRef)
    return store.manifest(store.obtain(recipe, build).ref)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_trainings_of_other_lengths_that_keep_the_same_weights_are_one_result(store: Store) -> None:
    short, long = adapter(store, b"weights", steps=100), adapter(store, b"weights", steps=400)
    assert short.digest != long.digest
    settings = [with_overrides(RunConfig(), [f"train.steps={steps}"]) for steps in (100, 400)]
    assert result_digest(short, settings[0]) == result_digest(long, settings[1])


@pytest.mark.parametrize(
    ("weights", "base", "override"),
    [
        (b"other weights", "toybox", "train.steps=400"),
        (b"weights", "another base", "train.steps=400"),
        (b"weights", "toybox", "sample.guidance=2"),
        (b"weights", "toybox", "seed=1"),
    ],
)
def test_other_weights_another_base_and_other_sampling_are_another_result(
    store: Store, weights: bytes, base: str, override: str
) -> None:
    first = result_digest(adapter(store, b"weights", steps=100), RunConfig())
    other = adapter(store, weights, base, steps=400)
    assert result_digest(other, with_overrides(RunConfig(), [override])) != first


def test_a_run_that_found_everything_still_says_what_its_artifacts_took_to_build(store: Store) -> None:
    built = shown_run(store, 1)
    found = built.model_copy(
        update={
            "stages": tuple(one.model_copy(update={"cached": True, "wall_s": 0.0}) for one in built.stages)
        }
    )
    took = [evidence_of(store, run) for run in (built, found)]
    assert took[0].build_s == took[1].build_s
    assert took[0].build_s
    assert took[0].kept_step == 20
    assert took[0].result == took[1].result != ""
