from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest
from pydantic import BaseModel

from moongate.artifacts.manifest import BuildFacts
from moongate.artifacts.rebuilding import Rebuilding
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import AdapterRef
from moongate.artifacts.schemas import TRAIN_STEPS
from moongate.artifacts.store import Store
from moongate.artifacts.tables import write_table

Build = Callable[[Path], BuildFacts]


class Knobs(BaseModel):
    steps: int = 3


RECIPE = Recipe("train", 1, Knobs(), (("base", "b1"),), AdapterRef)


def builder(content: bytes, seconds: float = 1.0, loss: float = 0.5) -> Build:
    def build(folder: Path) -> BuildFacts:
        (folder / "weights.bin").write_bytes(content)
        row: dict[str, object] = {
            "step": 1,
            "loss": loss,
            "instance_loss": loss,
            "prior_loss": None,
            "grad_norm": 1.0,
        }
        row |= {"status": "ok", "fault": "", "micro_batch": 4, "learning_rate": 0.1, "seconds": seconds}
        write_table(folder / "steps.parquet", [row], TRAIN_STEPS)
        return BuildFacts(items=1, unet_evals=7)

    return build


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.obtain(RECIPE, builder(b"first"))
    return store


def test_a_second_build_with_the_same_bytes_is_called_identical(stored: Store) -> None:
    again = Rebuilding(stored.root).obtain(RECIPE, builder(b"first"))
    assert (again.rebuilt, again.cached, again.facts.unet_evals) == ("byte-identical", False, 7)


def test_a_second_build_that_only_took_another_time_is_called_identical_with_times_aside(
    stored: Store,
) -> None:
    again = Rebuilding(stored.root).obtain(RECIPE, builder(b"first", seconds=2.0))
    assert again.rebuilt == "byte-identical, times in steps.parquet aside"


def test_a_second_build_with_another_loss_is_called_different_although_times_differ_too(
    stored: Store,
) -> None:
    again = Rebuilding(stored.root).obtain(RECIPE, builder(b"first", seconds=2.0, loss=0.25))
    assert again.rebuilt == "different: steps.parquet"


def test_a_different_second_build_is_named_and_the_stored_artifact_stays(
    stored: Store, caplog: pytest.LogCaptureFixture
) -> None:
    again = Rebuilding(stored.root).obtain(RECIPE, builder(b"second"))
    assert again.rebuilt == "different: weights.bin"
    assert "is different: weights.bin" in caplog.text
    assert stored.find(RECIPE) == again.ref
    assert (stored.folder(again.ref) / "weights.bin").read_bytes() == b"first"
    assert [path.name for path in (stored.root / "artifacts" / "train").iterdir()] == [RECIPE.digest]


def test_a_file_more_or_less_is_a_difference(stored: Store) -> None:
    def more(folder: Path) -> None:
        builder(b"first")(folder)
        (folder / "more.bin").write_bytes(b"")

    def less(folder: Path) -> None:
        (folder / "weights.bin").write_bytes(b"first")

    rebuilding = Rebuilding(stored.root)
    assert rebuilding.obtain(RECIPE, more).rebuilt == "different: more.bin"
    assert rebuilding.obtain(RECIPE, less).rebuilt == "different: steps.parquet"


def test_a_failing_second_build_leaves_the_stored_artifact(stored: Store) -> None:
    def fail(folder: Path) -> None:
        (folder / "weights.bin").write_bytes(b"half")
        raise RuntimeError("out of ideas")

    with pytest.raises(RuntimeError, match="out of ideas"):
        Rebuilding(stored.root).obtain(RECIPE, fail)
    assert stored.find(RECIPE) == RECIPE.ref
    assert [path.name for path in (stored.root / "artifacts" / "train").iterdir()] == [RECIPE.digest]


def test_what_is_missing_or_damaged_is_built_and_published(stored: Store) -> None:
    (stored.folder(RECIPE.ref) / "weights.bin").write_bytes(b"fIrst")
    again = Rebuilding(stored.root).obtain(RECIPE, builder(b"first"))
    assert (again.rebuilt, again.cached) == ("", False)
    assert Store(stored.root).find(RECIPE) == RECIPE.ref


def test_a_second_build_goes_on_from_checkpoints_of_its_own(stored: Store) -> None:
    """The first build's checkpoints would make the second one a copy of it."""
    numbers = count()

    def build(store: Store) -> Build:
        def checkpointed(folder: Path) -> BuildFacts:
            scratch = store.scratch(RECIPE)
            assert list(scratch.iterdir()) == []
            (scratch / f"step-{next(numbers)}").touch()
            return builder(b"first")(folder)

        return checkpointed

    (stored.scratch(RECIPE) / "step-of-a-first-build").touch()
    rebuilding = Rebuilding(stored.root)
    for _ in range(2):
        assert rebuilding.obtain(RECIPE, build(rebuilding)).rebuilt == "byte-identical"
    assert (stored.scratch(RECIPE) / "step-of-a-first-build").exists()


def test_what_another_run_is_building_is_waited_for_and_not_built_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    started, release = Event(), Event()

    def slow(folder: Path) -> BuildFacts:
        started.set()
        assert release.wait(30)
        return builder(b"first")(folder)

    def never(folder: Path) -> BuildFacts:
        raise AssertionError("built beside the other run")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Store(tmp_path).obtain, RECIPE, slow)
        assert started.wait(30)
        forced = pool.submit(Rebuilding(tmp_path).obtain, RECIPE, never)
        deadline = monotonic() + 20
        while "Waiting: another run is building" not in caplog.text:
            assert monotonic() < deadline
            sleep(0.01)
        release.set()
        assert (first.result().cached, forced.result().cached) == (False, True)
