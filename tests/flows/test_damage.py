"""A flipped bit in any file of any artifact of a real run: found before it is used, reported, built again."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.performers import rehearse
from flows.personalize import chain, personalize
from moongate.artifacts.digests import file_digest
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.models.source import resolve_base
from moongate.runs import RunRecord

pytestmark = pytest.mark.usefixtures("prefect_server", "home")


def flip_a_bit(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    position = int(np.random.Generator(np.random.PCG64(seed)).integers(len(content) * 8))
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)


def instances(config: RunConfig) -> Iterator[tuple[str, Recipe[Any]]]:
    base = resolve_base(config.base)
    yield from rehearse("record", lambda perform: chain(config, base, perform))


def test_in_any_file_it_is_found_and_reported(
    first: RunRecord, config: RunConfig, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flipped = 0
    for _, recipe in instances(config):
        place = Path("artifacts") / recipe.stage / recipe.digest
        for file in sorted(path for path in (home / place).rglob("*") if path.is_file()):
            store = Store(tmp_path / str(flipped))
            shutil.copytree(home / place, store.root / place)
            assert store.find(recipe) == recipe.ref
            damaged = store.root / place / file.relative_to(home / place)
            flip_a_bit(damaged, seed=flipped)
            caplog.clear()
            assert store.find(recipe) is None, damaged
            assert file.name in caplog.text
            flipped += 1
    assert flipped > 2 * len(first.current())


def test_the_damaged_artifact_is_built_again_with_the_same_bytes_and_nothing_else_is(
    first: RunRecord, config: RunConfig, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entry = next(entry for entry in first.stages if (entry.stage, entry.role) == ("cache", "train"))
    folder = home / "artifacts" / "cache" / entry.digest
    before = {path.name: file_digest(path) for path in folder.iterdir() if path.name != "artifact.json"}
    flip_a_bit(next(folder.glob("*.safetensors")), seed=0)
    again = personalize(config, "train")
    assert "is damaged and will be built again" in caplog.text
    assert [(one.stage, one.role) for one in again.stages if not one.cached] == [("cache", "train")]
    assert before == {
        path.name: file_digest(path) for path in folder.iterdir() if path.name != "artifact.json"
    }
