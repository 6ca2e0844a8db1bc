"""From the measured costs of a run to a chain that can be simulated, and to what each resource allows."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.scale.assumptions import A100, CLASSES, PIXELS_FACTOR, TRAINING_FACTOR, UNET_BYTES
from benchmarks.scale.calls import Load
from benchmarks.scale.costs import StageCost
from benchmarks.scale.night import Shared, Step


@dataclass(frozen=True)
class Demand:
    """What one subject asks of each resource, its part of its class's work included.

    Attributes:
        device_s: seconds of a device.
        store_bytes, files: what it leaves in the store.
        server_calls: requests and events at the Prefect server.
    """

    device_s: float
    store_bytes: float
    files: float
    server_calls: float


@dataclass(frozen=True)
class Allowed:
    """How many subjects the devices, the store and the Prefect server each allow."""

    devices: float
    store: float
    server: float


def chain_here(costs: Sequence[StageCost], load: Load) -> list[Step]:
    """Return the chain as it was measured: a worker like the one that it was measured on."""
    return [
        Step(
            cost.wall_s,
            cost.bytes + cost.weights_bytes,
            _calls(load, cost, costs),
            cost.of_class,
        )
        for cost in costs
    ]


def chain_on_gpu(costs: Sequence[StageCost], load: Load, weights_kept: int) -> list[Step]:
    """Return the chain with Stable Diffusion 1.5 on a published GPU.

    As many samples go through the UNet as were measured; what needs no UNet takes as long as it took here.

    Args:
        costs: what was measured.
        load: what a run asks of the server.
        weights_kept: copies of the tuned UNet that a run leaves: 2 with its export, 1 without.
    """
    return [
        Step(
            _gpu_s(cost),
            _gpu_bytes(cost, weights_kept),
            _calls(load, cost, costs),
            cost.of_class,
        )
        for cost in costs
    ]


def demand(chain: Sequence[Step], costs: Sequence[StageCost], subjects: int, reports_per_s: float) -> Demand:
    """Return what one subject of many asks for."""
    shares = [CLASSES.value / subjects if step.of_class else 1.0 for step in chain]

    def total(amounts: Sequence[float]) -> float:
        return sum(share * amount for share, amount in zip(shares, amounts, strict=True))

    return Demand(
        device_s=total([step.compute_s for step in chain]),
        store_bytes=total([step.store_bytes for step in chain]),
        files=total([cost.files for cost in costs]),
        server_calls=total([step.server_calls + reports_per_s * step.compute_s for step in chain]),
    )


def most_subjects(asked: Demand, shared: Shared, devices: int, seconds: float) -> Allowed:
    """Return how many subjects each resource alone allows in so many seconds."""
    return Allowed(
        devices=devices * seconds / asked.device_s,
        store=shared.store_bytes_per_s * seconds / asked.store_bytes,
        server=shared.server_calls_per_s * seconds / asked.server_calls,
    )


def _calls(load: Load, cost: StageCost, costs: Sequence[StageCost]) -> float:
    """Return a stage's part in what every run asks, whatever it finds in the store."""
    return 0.0 if cost.of_class else load.per_run / sum(not one.of_class for one in costs)


def _gpu_s(cost: StageCost) -> float:
    if not cost.unet_evals:
        return cost.wall_s
    factor = TRAINING_FACTOR.value if cost.stage == "train" else 1.0
    return factor * cost.unet_evals / A100.unet_per_s


def _gpu_bytes(cost: StageCost, weights_kept: int) -> float:
    weights = (
        UNET_BYTES.value if cost.stage == "train" or (cost.stage == "record" and weights_kept > 1) else 0
    )
    return cost.bytes * PIXELS_FACTOR.value + weights
