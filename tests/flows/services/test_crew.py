from pathlib import Path

import pytest

from flows.services.crew import CPU_POOL, GPU_POOL, Surroundings, remember_url, running_url, server, workers
from flows.services.service import Service
from moongate.models.leases import Device

DEVICES = (Device("cuda:0", "GPU-a", "2"), Device("cuda:1", "GPU-b", "3"))


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path, "http://127.0.0.1:4200/api")


def option(service: Service, name: str) -> str:
    return service.command[service.command.index(name) + 1]


def test_there_is_a_worker_for_each_device_pinned_to_it_and_one_for_none(around: Surroundings) -> None:
    crew = workers(around, DEVICES)
    seen = [
        (option(one, "--pool"), option(one, "--limit"), dict(one.environment)["CUDA_VISIBLE_DEVICES"])
        for one in crew
    ]
    assert seen == [(GPU_POOL, "1", "2"), (GPU_POOL, "1", "3"), (CPU_POOL, "2", "")]
    assert len({one.name for one in crew}) == len({option(one, "--name") for one in crew}) == 3


def test_without_a_device_one_worker_computes_on_the_cpu(around: Surroundings) -> None:
    one, _ = workers(around, ())
    assert option(one, "--pool") == GPU_POOL
    assert "CUDA_VISIBLE_DEVICES" not in dict(one.environment)


def test_the_environment_wins_over_our_settings_but_not_over_a_pin(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setenv("MOONGATE_HUNG_AFTER_S", "60")
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "true")
    variables = dict(workers(around, DEVICES)[0].environment)
    assert (variables["CUDA_VISIBLE_DEVICES"], variables["MOONGATE_HUNG_AFTER_S"]) == ("2", "60")
    assert dict(server(around, "127.0.0.1", 4200).environment)["PREFECT_SERVER_ANALYTICS_ENABLED"] == "true"


def test_leases_of_the_server_outlive_a_restart(around: Surroundings) -> None:
    chosen = dict(server(around, "127.0.0.1", 4200).environment)
    assert chosen["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith("lease_storage.filesystem")


def test_a_server_that_has_ended_is_not_offered_to_commands(around: Surroundings) -> None:
    remember_url(around)
    assert running_url(around.store) is None


def test_services_beside_a_server_of_somebody_else_log_in_to_it_as_its_user_does(tmp_path: Path) -> None:
    around = Surroundings(tmp_path, "http://lab:4200/api", ours=False)
    for one in workers(around, DEVICES):
        assert dict(one.environment)["PREFECT_API_URL"] == "http://lab:4200/api"
        assert "PREFECT_HOME" not in dict(one.environment)
