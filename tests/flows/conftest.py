"""One tiny run for all tests of flows: it takes most of their time, and they are about what follows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moongate.config import RunConfig
from moongate.runs import RunRecord


@pytest.fixture(scope="session")
def secrets() -> dict[str, str]:
    """Variables that are in the environment of the tiny run, and may be nowhere else."""
    return {
        "PREFECT_API_KEY": "pnu_4b7d0c9e21f3",
        "HF_TOKEN": "hf_QmV5xTq81LzR",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-K7MDENG",
    }


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, secrets: dict[str, str]) -> Iterator[Path]:
    """The store, as MOONGATE_HOME."""
    folder = tmp_path_factory.mktemp("home") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOONGATE_HOME", str(folder))
        # What computes has to hold a device, so that the tests see who does.
        patch.setenv("MOONGATE_DEVICE_SLOTS", "1")
        patch.setenv("MOONGATE_DEVICE_LOCKS", str(folder.with_name("devices")))
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        for name, value in secrets.items():
            patch.setenv(name, value)
        yield folder


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> RunConfig:
    """Settings of the tiny run."""
    from tests.flows.tiny_run import tiny_settings

    return tiny_settings(tmp_path_factory.mktemp("inputs"), tiny_sd1)


@pytest.fixture(scope="session")
def first(prefect_server: None, home: Path, config: RunConfig) -> RunRecord:
    """The tiny run itself, in an empty store."""
    from flows.personalize import personalize
    from flows.plan import plan

    assert not any(stage.cached for stage in plan(config, "record"))
    return personalize(config)
