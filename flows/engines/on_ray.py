"""A fleet of Ray workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import ray
from prefect_ray import RayTaskRunner
from prefect_ray.context import remote_options

from flows.engines.choice import EngineChoice
from flows.engines.devices import NO_DEVICE, Share
from flows.engines.fleet import DEATHS_FORGIVEN, Fleet, not_started, unreachable, without_devices

RESOURCE = "GPU"
# Ray keeps to the GPUs that it sees: what is declared of a host without any needs a name of its own.
CPU_WORKER = "moongate_cpu_worker"
_QUIET = {"log_to_driver": False, "logging_level": "ERROR"}


@contextmanager
def ray_fleet(choice: EngineChoice) -> Iterator[Fleet]:
    """Connect to the cluster at the engine's address, or start one with a device a worker.

    Raises:
        ConfigError: when this host shows fewer devices than were asked for.
        EngineError: when the cluster cannot be reached or started, or no node has a GPU.
    """
    if choice.address is None:
        share = Share.of_this_host(choice)
        runner, asking, name = _local(share), _asking_for(share), _resource_of(share)
    else:
        runner, name = RayTaskRunner(choice.address, dict(_QUIET)), RESOURCE
        asking = {"num_gpus": 1, "num_cpus": 1}
    try:
        runner.__enter__()
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise (unreachable if choice.address else not_started)(choice, error) from error
    try:
        if not (devices := int(ray.cluster_resources().get(name, 0))):
            raise without_devices(choice, "start nodes by: ray start --address ADDRESS --num-gpus 1")
        options = partial(remote_options, **asking, max_retries=DEATHS_FORGIVEN)
        yield Fleet("ray", runner, choice.devices or devices, options)
    finally:
        runner.__exit__(None, None, None)


def _local(share: Share) -> RayTaskRunner:
    count, name = len(share.devices), _resource_of(share)
    declared = {"num_gpus": count} if name == RESOURCE else {"num_gpus": 0, "resources": {name: count}}
    cores = count * share.threads
    return RayTaskRunner(init_kwargs={**_QUIET, **declared, "num_cpus": cores, "include_dashboard": False})


def _asking_for(share: Share) -> dict[str, object]:
    """Return what a task asks for; Ray gives its CPU arithmetic as many threads as it asks for cores."""
    name = _resource_of(share)
    device = {"num_gpus": 1} if name == RESOURCE else {"resources": {name: 1}}
    return {**device, "num_cpus": share.threads}


def _resource_of(share: Share) -> str:
    return CPU_WORKER if NO_DEVICE in share.devices else RESOURCE
