"""Fixtures shared by all tests: tiny real base models on disk, and a Prefect server."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model in the layout of Stable Diffusion 1.x: epsilon prediction, 32 x 32 pictures."""
    # Imported late: tests that need no model should not wait for torch and diffusers.
    from tests.tiny_models import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-sd1", "epsilon")


@pytest.fixture(scope="session")
def tiny_sd2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model in the layout of Stable Diffusion 2.x: v-prediction, "!" as padding."""
    from tests.tiny_models import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-sd2", "v_prediction")


@pytest.fixture(scope="session", params=["tiny_sd1", "tiny_sd2"])
def tiny_model(request: pytest.FixtureRequest) -> Path:
    """Each tiny model in turn."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


@pytest.fixture(autouse=True)
def _declares_no_slots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the tiny run's store declares for the whole session from tests that do not ask for it.

    Which tests come after it in a process depends on how files are handed out.
    """
    if "home" not in request.fixturenames:
        for name in ("MOONGATE_HOME", "MOONGATE_DEVICE_SLOTS", "MOONGATE_DEVICE_LOCKS"):
            monkeypatch.delenv(name, raising=False)


def pytest_configure(config: pytest.Config) -> None:
    """Keep Prefect away from the developer's own: it reads these when it is first imported."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="moongate-prefect-")
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Processes beside one another that each start a thread per core only take turns.
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A server for the whole session. It starts in ten seconds, so only flows and task states ask for it."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=240):
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts disks of so many bytes, where this user may mount."""
    from benchmarks.faults import limits

    with ExitStack() as mounted:

        def mount(size: int) -> Path:
            try:
                return mounted.enter_context(limits.small_disk(tmp_path, size))
            except limits.NotHereError as reason:
                pytest.skip(str(reason))

        yield mount
