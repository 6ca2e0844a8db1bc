"""A fleet of Dask workers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Nanny, Scheduler, SpecCluster
from prefect_dask import DaskTaskRunner

from flows.engines.choice import EngineChoice
from flows.engines.devices import THREADS, VISIBLE, Share
from flows.engines.fleet import DEATHS_FORGIVEN, Fleet, unreachable, without_devices

RESOURCE = "GPU"
# The settings of the cluster. A worker's own log lines would end up between those of the command.
_SETTINGS = {
    "distributed.scheduler.allowed-failures": DEATHS_FORGIVEN,
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
}


@contextmanager
def dask_fleet(choice: EngineChoice) -> Iterator[Fleet]:
    """Connect to the scheduler at the engine's address, or start one with a worker a device.

    Raises:
        ConfigError: when this host shows fewer devices than were asked for.
        EngineError: when the cluster cannot be reached, or no worker has the resource GPU.
    """
    with dask.config.set(_SETTINGS), _runner(choice) as runner:
        try:
            devices = _devices(runner)
        except OSError as error:
            raise unreachable(choice, error) from error
        if not devices:
            raise without_devices(
                choice, "start workers by: dask worker ADDRESS --nthreads 1 --resources GPU=1"
            )
        yield Fleet("dask", runner, choice.devices or devices, lambda: dask.annotate(resources={RESOURCE: 1}))


def _runner(choice: EngineChoice) -> DaskTaskRunner:
    if choice.address is not None:
        return DaskTaskRunner(address=choice.address)
    return DaskTaskRunner(cluster_class=SpecCluster, cluster_kwargs=_cluster(Share.of_this_host(choice)))


def _cluster(share: Share) -> dict[str, object]:
    """Return a scheduler and one nanny a device, which starts its worker again when that dies."""
    workers = {
        number: {
            "cls": Nanny,
            "options": {
                "nthreads": 1,
                "resources": {RESOURCE: 1},
                "env": {VISIBLE: device, THREADS: str(share.threads)},
                # Dask would pause or kill a worker by a share of the memory that it works out by itself.
                "memory_limit": 0,
                "dashboard": False,
            },
        }
        for number, device in enumerate(share.devices)
    }
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard": False}}
    return {"scheduler": scheduler, "workers": workers, "silence_logs": logging.CRITICAL}


def _devices(runner: DaskTaskRunner) -> int:
    workers = runner.client.scheduler_info(n_workers=-1)["workers"].values()
    return int(sum(worker["resources"].get(RESOURCE, 0) for worker in workers))
