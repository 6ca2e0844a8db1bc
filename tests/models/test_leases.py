import threading
from pathlib import Path

import pytest

from moongate.models.leases import CudaDevice, lease_one, leased_device

FIRST, SECOND = CudaDevice("cuda:0", "GPU-a"), CudaDevice("cuda:1", "GPU-b")


def test_the_cpu_needs_no_lease() -> None:
    with leased_device("cpu") as outer, leased_device("cpu") as inner:
        assert (outer, inner) == ("cpu", "cpu")


def test_two_leases_get_two_devices(tmp_path: Path) -> None:
    with lease_one([FIRST, SECOND], tmp_path) as one, lease_one([FIRST, SECOND], tmp_path) as other:
        assert (one, other) == (FIRST, SECOND)


def test_what_is_wanted_decides_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moongate.models.leases.visible_cuda_devices", lambda: (FIRST, SECOND))
    monkeypatch.setattr("moongate.models.leases.lease_folder", lambda: tmp_path)
    with leased_device("cuda:1") as chosen, leased_device("auto") as other, leased_device("cpu") as cpu:
        assert (chosen, other, cpu) == ("cuda:1", "cuda:0", "cpu")


def test_without_a_gpu_auto_is_the_cpu_and_a_named_device_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("moongate.models.leases.visible_cuda_devices", lambda: ())
    with leased_device("auto") as auto, leased_device("cuda:1") as named:
        assert (auto, named) == ("cpu", "cuda:1")


def test_a_device_is_known_by_its_uuid_whatever_it_is_called(tmp_path: Path) -> None:
    renamed = CudaDevice("cuda:0", SECOND.uuid)
    with lease_one([renamed], tmp_path), lease_one([SECOND, FIRST], tmp_path) as other:
        assert other == FIRST


def test_a_lease_waits_for_a_busy_device_and_gets_it_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moongate.models.leases.POLL_S", 0.01)
    order: list[str] = []

    def second() -> None:
        with lease_one([FIRST], tmp_path):
            order.append("second")

    with lease_one([FIRST], tmp_path):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        order.append("first")
    waiting.join(5)
    assert order == ["first", "second"]
