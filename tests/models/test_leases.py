import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from moongate import interruption
from moongate.errors import ConfigError
from moongate.interruption import StopError
from moongate.models import leases
from moongate.models.leases import Device, declared_slots, holders, lease_folder, lease_one, leased_device
from moongate.models.tenancy import Tenant, tenancy

FIRST, SECOND = Device("cuda:0", "GPU-a", "0"), Device("cuda:1", "GPU-b", "1")
HOST = socket.gethostname()

HOLD = """
import sys, time
from moongate.models.leases import leased_device
from moongate.models.tenancy import Tenant, current_tenant, tenancy
with tenancy(Tenant("train tuned of r1")) as tenant, leased_device("cpu") as device:
    begun = time.monotonic()
    print(device, *tenant.devices, begun, flush=True)
    sys.stdin.readline() if sys.argv[1] == "until told" else time.sleep(float(sys.argv[1]))
    print(time.monotonic(), flush=True)
"""


@pytest.fixture
def slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two declared slots on a machine without GPUs, and the folder of their locks."""
    monkeypatch.setenv("MOONGATE_DEVICE_SLOTS", "2")
    monkeypatch.setenv("MOONGATE_DEVICE_LOCKS", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(leases, "cuda_devices", lambda: ())
    return tmp_path


@dataclass(frozen=True)
class Properties:
    uuid: str


class Host:
    """What torch says on a host with two GPUs, the second of which is cut into two, as CUDA reads the pin."""

    BY_WORD: ClassVar = {
        **dict.fromkeys(("0", "GPU-a"), "a"),
        **dict.fromkeys(("1", "GPU-b"), "b"),
        "MIG-c": "c",
        "MIG-d": "d",
    }

    def visible(self) -> list[str]:
        if (words := os.environ.get("CUDA_VISIBLE_DEVICES")) is None:
            return ["a", "b"]
        # The first word that stands for no device hides itself and all that follow.
        return [self.BY_WORD[word] for word in takewhile(self.BY_WORD.__contains__, words.split(","))]

    def is_available(self) -> bool:
        return bool(self.visible())

    def device_count(self) -> int:
        return len(self.visible())

    def get_device_properties(self, index: int) -> Properties:
        return Properties(self.visible()[index])


@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        (None, [("cuda:0", "GPU-a", "0"), ("cuda:1", "GPU-b", "1")]),
        ("1,0", [("cuda:0", "GPU-b", "1"), ("cuda:1", "GPU-a", "0")]),
        ("GPU-b", [("cuda:0", "GPU-b", "GPU-b")]),
        ("GPU-b,GPU-a", [("cuda:0", "GPU-b", "GPU-b"), ("cuda:1", "GPU-a", "GPU-a")]),
        ("MIG-d", [("cuda:0", "GPU-d", "MIG-d")]),
        ("MIG-c,MIG-d", [("cuda:0", "GPU-c", "MIG-c"), ("cuda:1", "GPU-d", "MIG-d")]),
        ("1,7,0", [("cuda:0", "GPU-b", "1")]),
        ("1,-1,0", [("cuda:0", "GPU-b", "1")]),
        ("-1", []),
        ("", []),
    ],
)
def test_cuda_devices_are_those_of_the_pin_in_its_order_known_by_their_uuid(
    visible: str | None, devices: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host()
    for name in ("is_available", "device_count", "get_device_properties"):
        monkeypatch.setattr(torch.cuda, name, getattr(host, name))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert leases.cuda_devices() == tuple(Device(*one) for one in devices)


def hold(how_long: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, how_long],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def test_the_cpu_is_shared_by_everybody_unless_slots_are_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOONGATE_DEVICE_SLOTS", raising=False)
    with tenancy(Tenant()) as tenant, leased_device("cpu") as outer, leased_device("cpu") as inner:
        assert (outer, inner, tenant.devices) == ("cpu", "cpu", [])


def test_two_leases_get_two_devices(tmp_path: Path) -> None:
    with lease_one([FIRST, SECOND], tmp_path) as one, lease_one([FIRST, SECOND], tmp_path) as other:
        assert (one, other) == (FIRST, SECOND)


def test_what_is_wanted_decides_the_device(slots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "cuda_devices", lambda: (FIRST, SECOND))
    with tenancy(Tenant()) as tenant:
        with leased_device("cuda:1") as chosen, leased_device("auto") as other, leased_device("cpu") as cpu:
            assert (chosen, other, cpu) == ("cuda:1", "cuda:0", "cpu")
        assert tenant.devices == [f"{name}@{HOST}" for name in ("GPU-b", "GPU-a", "slot-0")]


def test_without_a_gpu_auto_is_the_cpu_and_a_named_device_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "cuda_devices", lambda: ())
    monkeypatch.delenv("MOONGATE_DEVICE_SLOTS", raising=False)
    with leased_device("auto") as auto, leased_device("cuda:1") as named:
        assert (auto, named) == ("cpu", "cuda:1")


def test_a_device_is_known_by_its_uuid_whatever_it_is_called(tmp_path: Path) -> None:
    renamed = Device("cuda:0", SECOND.uuid, "0")
    with lease_one([renamed], tmp_path), lease_one([SECOND, FIRST], tmp_path) as other:
        assert other == FIRST


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["slot-0", "slot-1", "slot-2"]),
        ("2,0", ["slot-2", "slot-0"]),
        ("1, 7", ["slot-1"]),
        ("", []),
    ],
)
def test_cuda_visible_devices_chooses_among_the_declared_slots(visible: str | None, names: list[str]) -> None:
    environment = {"MOONGATE_DEVICE_SLOTS": "3"}
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    assert [slot.uuid for slot in declared_slots(environment)] == names


def test_a_declaration_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="'two'"):
        declared_slots({"MOONGATE_DEVICE_SLOTS": "two"})


def test_the_folder_is_the_same_for_every_store_and_whatever_tmpdir_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MOONGATE_DEVICE_LOCKS", raising=False)
    before = lease_folder()
    for variable in ("MOONGATE_HOME", "TMPDIR", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert lease_folder() == before


def test_a_relative_folder_is_refused_for_every_working_folder_would_have_its_own(slots: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOONGATE_DEVICE_LOCKS", "locks/devices")
        with pytest.raises(ConfigError, match="is a relative path"), leased_device("cpu"):
            pass


def test_the_folder_in_tmp_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOONGATE_DEVICE_LOCKS", raising=False)
    found = lease_folder().lstat()
    assert (found.st_uid, found.st_mode & 0o022) == (os.geteuid(), 0)


def test_a_waiting_stage_says_who_holds_what_it_waits_for_and_gets_it_when_it_is_free(
    slots: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOONGATE_DEVICE_SLOTS", "1")
    monkeypatch.setattr(leases, "POLL_S", 0.01)
    order: list[str] = []

    def second() -> None:
        with tenancy(Tenant("sample base of r2")), leased_device("cpu"):
            order.append("second")

    with caplog.at_level(logging.INFO), tenancy(Tenant("train tuned of r1")), leased_device("cpu"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        order.append("first")
    waiting.join(5)
    assert order == ["first", "second"]
    (told,) = [record.message for record in caplog.records if "waits for a device" in record.message]
    assert told.startswith(
        f"sample base of r2 waits for a device: slot-0@{HOST} is held by train tuned of r1"
    )
    assert f"process {os.getpid()}," in told


def test_a_stage_that_waits_for_a_device_can_be_stopped(slots: Path) -> None:
    with leased_device("cpu"), leased_device("cpu"):
        interruption.ask_to_stop(signal.SIGTERM)
        try:
            with pytest.raises(StopError), leased_device("cpu"):
                pass
        finally:
            interruption.forget()


def test_processes_share_the_slots_and_a_killed_one_leaves_nothing_behind(slots: Path) -> None:
    killed, kept = hold("until told"), hold("until told")
    names = {tuple(first_line(process)[:2]) for process in (killed, kept)}
    assert names == {("cpu", f"slot-{number}@{HOST}") for number in (0, 1)}
    held = holders(declared_slots(os.environ), slots)
    assert {holder.pid for holder in held if holder} == {killed.pid, kept.pid}
    waiting = hold("0")
    killed.kill()
    assert first_line(waiting)[0] == "cpu"
    kept.communicate("that is enough\n", timeout=60)
    waiting.wait(60)
    killed.wait(60)
    assert holders(declared_slots(os.environ), slots) == (None, None)


def test_pinned_processes_never_overlap_on_a_slot(slots: Path) -> None:
    pinned = [hold("0.3", CUDA_VISIBLE_DEVICES="1") for _ in range(3)]
    times = []
    for process in pinned:
        output, _ = process.communicate(timeout=60)
        (_, slot, begun), (ended,) = (line.split() for line in output.splitlines())
        assert slot == f"slot-1@{HOST}"
        times.append((float(begun), float(ended)))
    ordered = sorted(times)
    assert all(before[1] <= after[0] for before, after in pairwise(ordered))


def test_a_lock_file_that_a_killed_process_wrote_names_nobody(slots: Path) -> None:
    process = hold("until told")
    first_line(process)
    process.kill()
    process.wait(60)
    assert "train tuned" in (slots / "slot-0.lock").read_text()
    assert holders(declared_slots(os.environ), slots)[0] is None
