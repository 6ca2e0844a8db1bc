"""A fleet of Ray workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import ray
from prefect_ray import RayTaskRunner
from prefect_ray.context import remote_options

from flows.engines.choice import EngineChoice
from flows.engines.devices import Share
from flows.engines.fleet import DEATHS_FORGIVEN, Fleet, unreachable, without_devices

RESOURCE = "GPU"
_QUIET = {"log_to_driver": False, "logging_level": "ERROR"}


@contextmanager
def ray_fleet(choice: EngineChoice) -> Iterator[Fleet]:
    """Connect to the cluster at the engine's address, or start one with a declared GPU a device.

    Raises:
        EngineError: when the cluster cannot be reached, or no node has a GPU.
    """
    share = None if choice.address else Share.of_this_host(choice)
    runner = _local(share) if share else RayTaskRunner(choice.address, dict(_QUIET))
    try:
        runner.__enter__()
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise unreachable(choice, error) from error
    try:
        if not (devices := int(ray.cluster_resources().get(RESOURCE, 0))):
            raise without_devices(choice, "start nodes by: ray start --address ADDRESS --num-gpus 1")
        # Ray gives the CPU arithmetic of a task as many threads as it asks for cores.
        asking = partial(
            remote_options,
            num_gpus=1,
            num_cpus=share.threads if share else 1,
            max_retries=DEATHS_FORGIVEN,
        )
        yield Fleet("ray", runner, choice.devices or devices, asking)
    finally:
        runner.__exit__(None, None, None)


def _local(share: Share) -> RayTaskRunner:
    count = len(share.devices)
    resources = {"num_gpus": count, "num_cpus": count * share.threads}
    return RayTaskRunner(init_kwargs={**_QUIET, **resources, "include_dashboard": False})
