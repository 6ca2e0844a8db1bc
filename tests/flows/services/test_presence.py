"""A worker counts as started when the server has heard of it; on a real server."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.services.crew import CPU_POOL, Surroundings, worker_name, workers
from flows.services.installation import prepare
from flows.services.presence import reports, wait_for_workers
from flows.services.service import Place, Service
from moongate.errors import ConfigError


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        prepare(client, [])
        yield client


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "services")
    yield place
    for name in place.names():
        place.end(name, 5)


def worker(around: Path, code: str) -> Service:
    """Return a service that is called as a worker is, and does what `code` says."""
    *_, cpu = workers(Surroundings(around, "http://127.0.0.1:9/api"), ())
    return Service(cpu.name, cpu.purpose, (sys.executable, "-c", code, *cpu.command[3:]))


def report(client: SyncPrefectClient, service: Service) -> None:
    client.request(
        "POST",
        "/work_pools/{work_pool_name}/workers/heartbeat",
        path_params={"work_pool_name": CPU_POOL},
        json={"name": worker_name(service)},
    )


def test_a_worker_that_ends_at_its_start_is_an_error_though_an_earlier_one_of_its_name_had_reported(
    client: SyncPrefectClient, place: Place, tmp_path: Path
) -> None:
    service = worker(tmp_path, "raise SystemExit('no such module')")
    report(client, service)
    before = reports(client)
    place.start(service, tmp_path)
    with pytest.raises(ConfigError, match="worker of moongate-cpu did not start") as error:
        wait_for_workers(client, place, [service], before)
    assert "no such module" in Path(error.value.where).read_text()


def test_a_worker_that_reports_has_started(client: SyncPrefectClient, place: Place, tmp_path: Path) -> None:
    service = worker(tmp_path, "import time; time.sleep(100)")
    before = reports(client)
    place.start(service, tmp_path)
    report(client, service)
    wait_for_workers(client, place, [service], before)
    assert place.running(service.name)
