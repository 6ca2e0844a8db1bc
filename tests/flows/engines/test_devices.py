"""How this host is divided among workers, on the CPU and on hosts whose GPUs are stood in for by a count."""

import pytest

from flows.engines.choice import EngineChoice
from flows.engines.devices import Share
from moongate.errors import ConfigError
from moongate.models import devices

UUIDS = "GPU-aa, GPU-bb"


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MOONGATE_DEVICE_SLOTS"):
        monkeypatch.delenv(name, raising=False)


def share(count: int) -> tuple[str, ...]:
    return Share.of_this_host(EngineChoice(kind="dask", devices=count)).devices


@pytest.mark.parametrize(
    ("visible", "gpus", "asked", "workers"),
    [
        (None, 2, 0, ("0", "1")),
        ("2,3", 2, 0, ("2", "3")),
        ("3,2", 2, 1, ("3",)),
        (UUIDS, 2, 2, ("GPU-aa", "GPU-bb")),
        ("1,-1,0", 1, 0, ("1",)),
        (None, 0, 0, ("",)),
        (None, 0, 3, ("", "", "")),
        ("", 0, 2, ("", "")),
        ("-1", 0, 2, ("", "")),
    ],
)
def test_each_worker_gets_one_of_the_devices_that_the_command_sees(
    visible: str | None, gpus: int, asked: int, workers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(devices, "count_cuda_devices", lambda: gpus)
    assert share(asked) == workers


def test_no_worker_is_started_that_would_compute_on_the_cpu_beside_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setattr(devices, "count_cuda_devices", lambda: 2)
    with pytest.raises(ConfigError, match="shows 2: 2, 3"):
        share(4)


def test_declared_slots_of_a_host_without_gpus_are_divided_like_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "count_cuda_devices", lambda: 0)
    monkeypatch.setenv("MOONGATE_DEVICE_SLOTS", "3")
    assert share(0) == ("0", "1", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert share(2) == ("2", "0")
    with pytest.raises(ConfigError, match="ask for 2 or fewer"):
        share(3)


def test_workers_share_the_cores_unless_the_command_says_how_many_threads_compute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "count_cuda_devices", lambda: 0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
    assert Share.of_this_host(EngineChoice(kind="ray", devices=4)).threads == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    assert Share.of_this_host(EngineChoice(kind="ray", devices=4)).threads == 16
