import os
import subprocess
import sys
from pathlib import Path

from tests.tiny_extractors import write_vit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PROGRAM = f"""
from moongate.errors import ModelError
from moongate.models.extractor_source import resolve_extractor
try:
    print(resolve_extractor("identity", "someone/some-vit@{COMMIT}").name)
except ModelError as error:
    print(error)
"""


def resolve_offline(hub: Path) -> str:
    """Resolve in a process whose hub cache is `hub` and which must not use the network."""
    environment = os.environ | {"HF_HOME": str(hub), "HF_HUB_CACHE": str(hub / "hub"), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    ).stdout


def snapshot(hub: Path) -> Path:
    return hub / "hub" / "models--someone--some-vit" / "snapshots" / COMMIT


def test_a_pinned_hub_extractor_is_found_in_the_cache_without_network(tmp_path: Path) -> None:
    write_vit(snapshot(tmp_path))
    assert resolve_offline(tmp_path).startswith("some-vit@")


def test_a_hub_extractor_that_is_neither_cached_nor_reachable_says_so(tmp_path: Path) -> None:
    answer = resolve_offline(tmp_path)
    assert "could not be fetched" in answer
    assert "name their folder" in answer


def test_a_half_downloaded_hub_extractor_is_not_used(tmp_path: Path) -> None:
    write_vit(snapshot(tmp_path))
    (snapshot(tmp_path) / "model.safetensors").unlink()
    assert "model.safetensors" in resolve_offline(tmp_path)
