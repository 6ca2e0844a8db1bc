from pathlib import Path

import pytest

from flows.services.conduct import end_all, place_of
from flows.services.slots import adopted_slots, remember_slots
from moongate.models.leases import SLOTS_VARIABLE, visible_devices


@pytest.fixture(autouse=True)
def _shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell on a machine without GPUs that declares two slots."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv(SLOTS_VARIABLE, "2")


def seen() -> list[str]:
    return [device.uuid for device in visible_devices()]


def test_slots_that_up_was_told_of_are_there_in_a_shell_that_does_not_declare_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_slots(tmp_path)
    monkeypatch.delenv(SLOTS_VARIABLE)
    assert seen() == []
    remember_slots(tmp_path)
    with adopted_slots(tmp_path):
        assert seen() == ["slot-0", "slot-1"]
    assert seen() == []


def test_what_a_shell_declares_itself_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_slots(tmp_path)
    monkeypatch.setenv(SLOTS_VARIABLE, "1")
    with adopted_slots(tmp_path):
        assert seen() == ["slot-0"]
    assert seen() == ["slot-0"]


def test_slots_are_forgotten_with_the_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_slots(tmp_path)
    end_all(place_of(tmp_path))
    monkeypatch.delenv(SLOTS_VARIABLE)
    with adopted_slots(tmp_path):
        assert seen() == []
