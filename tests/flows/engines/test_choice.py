"""What is wrong with the choice of an engine is said at once."""

from importlib.util import find_spec

import pytest

from flows.engines.choice import EngineChoice, engine_choice
from flows.engines.fleet import opened
from moongate.errors import ConfigError


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_missing_extra_is_one_error_with_the_line_that_installs_it(kind) -> None:
    if find_spec(f"prefect_{kind}"):
        assert engine_choice(kind, None, 2).devices == 2
        return
    with pytest.raises(ConfigError, match="not installed") as caught:
        engine_choice(kind, None, 2)
    assert caught.value.fix.endswith(f".venv/bin/pip install -c requirements.lock -e '.[{kind}]'")


def test_an_address_without_an_engine_is_refused() -> None:
    with pytest.raises(ConfigError, match="--engine dask or --engine ray"):
        engine_choice("local", "tcp://host:8786", 0)


def test_workers_of_another_host_need_an_api_that_they_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prefect_dask", reason="the extra moongate[dask] is not installed")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    away = EngineChoice(kind="dask", address="tcp://far.example:8786")
    with pytest.raises(ConfigError, match="could not report to Prefect"), opened(away):
        pass
