"""The matrix of changes and stages: each change makes exactly what depends on it stale, and nothing else.

What is stale follows from addresses alone, so nothing is built here; that a run fills exactly the planned
addresses is told in test_personalize.py. The expected sets are written out by hand in
`benchmarks.staleness.changes`.
"""

import shutil
from pathlib import Path

import pytest

from benchmarks.staleness.changes import (
    CLASS,
    FILES,
    FROM_NOISE,
    HARMLESS,
    INGESTED,
    INVERTED,
    LATENTS,
    LEARNED,
    SETTINGS,
    Change,
)
from benchmarks.staleness.world import World, stale
from moongate.stages import cache, evaluate, ingest, invert, prior, sample, train
from tests.flows.tiny_run import tiny_settings


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> World:
    folder = tmp_path_factory.mktemp("worlds") / "original"
    folder.mkdir()
    shutil.copytree(tiny_sd1, folder / "model")
    return World(folder, tiny_settings(folder, folder / "model"))


@pytest.fixture(scope="module")
def addresses(original: World) -> dict[str, str]:
    return original.addresses()


@pytest.fixture
def world(original: World, tmp_path: Path) -> World:
    return original.moved(tmp_path / "copy")


@pytest.mark.parametrize("change", FILES.values(), ids=list(FILES))
def test_another_file_makes_exactly_what_depends_on_it_stale(
    change: Change, world: World, addresses: dict[str, str]
) -> None:
    assert stale(addresses, change.apply(world)) == change.expected


@pytest.mark.parametrize("change", SETTINGS.values(), ids=list(SETTINGS))
def test_another_setting_makes_exactly_what_depends_on_it_stale(
    change: Change, original: World, addresses: dict[str, str]
) -> None:
    assert stale(addresses, change.apply(original)) == change.expected


@pytest.mark.parametrize("change", HARMLESS.values(), ids=list(HARMLESS))
def test_what_changes_no_result_makes_nothing_stale(
    change: Change, world: World, addresses: dict[str, str]
) -> None:
    assert stale(addresses, change.apply(world)) == change.expected == set()


REVISIONS = {
    ingest: INGESTED | LATENTS | LEARNED | INVERTED,
    prior: CLASS | LEARNED,
    cache: LATENTS | {"cache class"} | LEARNED | INVERTED,
    train: LEARNED,
    invert: INVERTED,
    sample: FROM_NOISE | {"sample swapped", "evaluate all"},
    evaluate: {"evaluate all"},
}


@pytest.mark.parametrize("stage", REVISIONS, ids=lambda stage: stage.STAGE)
def test_a_raised_revision_makes_exactly_that_stage_and_what_depends_on_it_stale(
    stage, original: World, addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "REVISION", stage.REVISION + 1)
    assert stale(addresses, original) == REVISIONS[stage]


def test_another_place_makes_nothing_stale(
    original: World, addresses: dict[str, str], tmp_path: Path
) -> None:
    assert stale(addresses, original.moved(tmp_path / "elsewhere")) == set()


def test_another_name_of_an_extractor_makes_the_metrics_stale_that_bear_it(
    world: World, addresses: dict[str, str]
) -> None:
    assert stale(addresses, world.renamed("vit")) == {"evaluate all"}
