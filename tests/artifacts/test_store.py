import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest
from pydantic import BaseModel

from moongate.artifacts.manifest import BuildFacts
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.store import Store
from moongate.errors import StoreError

CHILD = """
import os, signal, sys, time
from pathlib import Path
from pydantic import BaseModel
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.store import Store

class Knobs(BaseModel):
    steps: int = 3

root, action = Path(sys.argv[1]), sys.argv[2]
store = Store(root)
recipe = Recipe("prior", 1, Knobs(), (("model", "m1"),), ImageSetRef)

def build(folder):
    (folder / "data.bin").write_bytes(b"half")
    if action == "die":
        (store.scratch(recipe) / "step").write_text("7")
        os.kill(os.getpid(), signal.SIGKILL)
    with (root / "builds.log").open("a") as log:
        log.write("built\\n")
    time.sleep(600 if action == "hang" else 0.3)
    (folder / "data.bin").write_bytes(b"whole")

print(store.obtain(recipe, build).cached)
"""


class Knobs(BaseModel):
    steps: int = 3


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def make(steps=3):
    return Recipe("prior", 1, Knobs(steps=steps), (("model", "m1"),), ImageSetRef)


def build(folder: Path) -> BuildFacts:
    (folder / "sub").mkdir()
    (folder / "data.bin").write_bytes(b"whole")
    (folder / "sub" / "more.bin").write_bytes(b"more")
    return BuildFacts(items=2, unet_evals=50, device="cpu")


def never(folder: Path) -> None:
    raise AssertionError("built again")


def child(root: Path, action: str) -> subprocess.Popen:
    arguments = [sys.executable, "-c", CHILD, str(root), action]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline
        sleep(0.02)


def waits_for_a_lock(pid: int) -> bool:
    """Tell whether the process sleeps in flock(2): in Linux's list of locks, who waits has an arrow."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and str(pid) in line.split() for line in lines)


def test_an_artifact_is_built_once_and_then_found(store):
    first = store.obtain(make(), build)
    second = store.obtain(make(), never)
    assert (first.cached, second.cached) == (False, True)
    assert first.ref == second.ref == store.find(make()) == make().ref
    assert (store.folder(first.ref) / "sub" / "more.bin").read_bytes() == b"more"


def test_a_cached_artifact_reports_no_unet_evaluations(store):
    assert store.obtain(make(), build).facts == BuildFacts(items=2, unet_evals=50, device="cpu")
    assert store.obtain(make(), never).facts == BuildFacts(items=2, unet_evals=0, device="cpu")


def test_another_recipe_has_another_artifact(store):
    assert store.obtain(make(3), build).ref != store.obtain(make(4), build).ref


def test_the_manifest_says_how_the_artifact_was_made(store):
    manifest = store.manifest(store.obtain(make(), build).ref)
    assert manifest.settings == {"steps": 3}
    assert manifest.inputs == (("model", "m1"),)
    assert [(file.name, file.bytes) for file in manifest.files] == [("data.bin", 5), ("sub/more.bin", 4)]
    assert {library.name for library in manifest.libraries} >= {"torch", "pyarrow"}


def test_a_failed_build_leaves_nothing(store):
    def fail(folder):
        (folder / "data.bin").write_bytes(b"half")
        raise RuntimeError("out of ideas")

    with pytest.raises(RuntimeError, match="out of ideas"):
        store.obtain(make(), fail)
    assert store.find(make()) is None
    assert list((store.root / "artifacts" / "prior").iterdir()) == []


def test_a_full_disk_is_explained(store):
    with pytest.raises(StoreError, match="the disk is full"):
        store.obtain(make(), lambda folder: Path("/dev/full").write_bytes(b"x"))


def test_an_absent_artifact_is_a_clear_error(store):
    with pytest.raises(StoreError, match=r"no image_set [0-9a-f]{12} in the store"):
        store.folder(make().ref)


def flip_a_bit(folder):
    (folder / "data.bin").write_bytes(b"whOle")


def truncate(folder):
    (folder / "sub" / "more.bin").write_bytes(b"mo")


def remove(folder):
    (folder / "data.bin").unlink()


def add(folder):
    (folder / "extra.bin").write_bytes(b"?")


def edit_the_recipe(folder):
    path = folder / "artifact.json"
    path.write_text(path.read_text().replace('"steps": 3', '"steps": 4'))


def edit_what_the_manifest_says_of_the_build(folder):
    path = folder / "artifact.json"
    path.write_text(path.read_text().replace('"items": 2', '"items": 3'))


def spoil_the_manifest(folder):
    (folder / "artifact.json").write_text("{")


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_bit,
        truncate,
        remove,
        add,
        edit_the_recipe,
        edit_what_the_manifest_says_of_the_build,
        spoil_the_manifest,
    ],
    ids=lambda f: f.__name__,
)
def test_a_damaged_artifact_is_set_aside_loudly_and_built_again(store, caplog, damage):
    folder = store.folder(store.obtain(make(), build).ref)
    damage(folder)
    assert store.find(make()) is None
    assert "is damaged and will be built again" in caplog.text
    assert len(list(folder.parent.glob(".corrupt-*"))) == 1
    assert not store.obtain(make(), build).cached
    assert (folder / "data.bin").read_bytes() == b"whole"


@pytest.mark.parametrize("processes", [2, 4])
def test_of_several_processes_one_builds_and_the_others_reuse(store, processes):
    children = [child(store.root, "build") for _ in range(processes)]
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in children)
    assert answers == ["False", *["True"] * (processes - 1)]
    assert (store.root / "builds.log").read_text() == "built\n"


def test_a_process_that_waits_for_a_builder_takes_over_the_moment_that_one_is_killed(store):
    log = store.root / "builds.log"
    with child(store.root, "hang") as builder:
        wait_until(log.exists)
        with child(store.root, "build") as waiting:
            wait_until(lambda: waits_for_a_lock(waiting.pid))
            builder.kill()
            assert waiting.communicate(timeout=60)[0].strip() == "False"
    assert log.read_text() == "built\nbuilt\n"
    assert (store.folder(make().ref) / "data.bin").read_bytes() == b"whole"


def test_of_several_threads_one_builds_and_the_others_wait(store):
    started, release = Event(), Event()

    def slow(folder):
        started.set()
        assert release.wait(30)
        return build(folder)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.obtain, make(), slow)
        assert started.wait(30)
        second = pool.submit(store.obtain, make(), never)
        release.set()
        assert (first.result().cached, second.result().cached) == (False, True)


def test_a_killed_build_publishes_nothing_blocks_nobody_and_is_swept(store):
    process = child(store.root, "die")
    assert process.wait(timeout=60) == -9
    stage = store.root / "artifacts" / "prior"
    assert len(list(stage.glob(".building-*"))) == 1
    assert store.find(make()) is None

    def resume(folder):
        assert (store.scratch(make()) / "step").read_text() == "7"
        return build(folder)

    assert not store.obtain(make(), resume).cached
    assert list(stage.glob(".building-*")) == []
    assert not (store.root / "scratch" / "prior" / make().digest).exists()


def test_the_store_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MOONGATE_HOME", str(tmp_path / "home"))
    assert Store.from_environment().root == tmp_path / "home"
    monkeypatch.setenv("MOONGATE_HOME", "")
    assert Store.from_environment().root == Path("store")
