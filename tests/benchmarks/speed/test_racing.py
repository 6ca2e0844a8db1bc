"""Contenders take turns in processes of their own, and only their laps are timed."""

import os
from pathlib import Path

import pytest

from benchmarks.speed.racing import Contender, ContenderError, race
from tests.benchmarks.speed.contenders import failing, holding, signing


def signer(log: Path, name: str, seconds: float) -> Contender:
    return Contender(name, signing, {"log": log, "name": name, "seconds": seconds})


def test_they_take_turns_each_in_its_own_process_after_one_warm_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    laps = race([signer(log, "a", 0.02), signer(log, "b", 0.0)], rounds=3)
    lines = [line.split() for line in log.read_text().splitlines()]
    assert "".join(name for name, _ in lines) == "ab" + "ababab"
    assert len({process for _, process in lines} | {str(os.getpid())}) == 3
    assert [len(found.laps) for found in laps.values()] == [3, 3]
    assert laps["a"].each >= 0.01 > laps["b"].each
    assert laps["a"].unet_evals == 10


def test_the_peak_memory_of_one_is_not_that_of_another() -> None:
    sizes = {"large": 300, "small": 1}
    laps = race([Contender(name, holding, {"mebibytes": size}) for name, size in sizes.items()], rounds=1)
    assert laps["large"].peak_bytes - laps["small"].peak_bytes > 200 * 2**20


def test_what_fails_in_a_process_is_said_with_its_traceback() -> None:
    with pytest.raises(ContenderError, match=r"the reason") as caught:
        race([Contender("a", failing, {"why": "the reason"})], rounds=1)
    assert "Traceback" in caught.value.why
