"""Contenders that do next to nothing; at the top of a module, so that other processes can import them."""

import os
import time
from pathlib import Path

from benchmarks.speed.racing import Done, Portion


def signing(log: Path, name: str, seconds: float) -> Portion:
    """Return what writes its name and its process into a file."""

    def portion() -> Done:
        time.sleep(seconds)
        with log.open("a") as stream:
            stream.write(f"{name} {os.getpid()}\n")
        return Done(items=2, unet_evals=10)

    return portion


def holding(mebibytes: int) -> Portion:
    """Return what fills so much memory and lets it go."""

    def portion() -> Done:
        return Done(items=len(bytearray(mebibytes * 2**20)))

    return portion


def failing(why: str) -> Portion:
    """Return what fails."""

    def portion() -> Done:
        raise ValueError(why)

    return portion
