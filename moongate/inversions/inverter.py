"""A batch of latents up to z_T by two methods, and down again under the same model at guidance 1."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from moongate.artifacts.inverted import Method
from moongate.config import InvertConfig
from moongate.diffusion.inversion import FixedPointRule, invert, invert_fixed_point
from moongate.diffusion.samplers import Ddim, sample
from moongate.diffusion.schedule import timestep_table
from moongate.models.base import DiffusionModel
from moongate.models.denoiser import Denoiser, EvalCounter
from moongate.models.finite import finite_rows

# Told of the number of pictures after each step of each walk.
Advance = Callable[[int], None]
WALKS = 4


@dataclass(frozen=True)
class Ascent:
    """A batch inverted by one method, and drawn again.

    Attributes:
        method: "plain" or "fixed_point".
        z_T: (B, C, h, w) float64.
        z_0: (B, C, h, w) float32, the end of the way back, scaled for the UNet.
        evaluations: (B,) int64, of the UNet, to invert each picture.
        residual: (B,) float32, the largest relative residual of any step; None for plain.
        iterations: (B,) float32, the mean number of refinements per step; None for plain.
        fell_back: (B,) bool, whether any step kept an earlier iterate.
        trajectory: (B, steps, C, h, w) float32 on the CPU, the state after each step; None unless asked for.

    All numbers of a row that is not `sound` mean nothing.
    """

    method: Method
    z_T: Tensor  # noqa: N815 - the notation of the papers
    z_0: Tensor
    evaluations: Tensor
    fell_back: Tensor
    residual: Tensor | None = None
    iterations: Tensor | None = None
    trajectory: Tensor | None = None

    def sound(self) -> list[bool]:
        """Return for each of the B pictures whether both ends of its way are finite."""
        return finite_rows(torch.cat([self.z_T, self.z_0], dim=1))


class Inverter:
    """Inverts batches under one model by one configuration.

    Attributes:
        model: the base model, or a tuned one.
        config: steps and the rule of the refinement.
        table: the moves, in sampling order; both directions read it.
        counter: counts the UNet's evaluations.
    """

    def __init__(self, model: DiffusionModel, config: InvertConfig) -> None:
        self.model = model
        self.config = config
        self.table = timestep_table(model.schedule, config.steps)
        self.counter = EvalCounter()

    def ascents(self, z_0: Tensor, embeddings: Tensor, advance: Advance) -> tuple[Ascent, ...]:
        """Return the plain and the fixed-point inversion of a batch, each drawn again.

        Args:
            z_0: (B, C, h, w) float32, posterior means scaled for the UNet, on the model's device.
            embeddings: (B, L, D) float32, of each picture's prompt.
            advance: told of B pictures after each step; `WALKS` x steps times in all.

        Raises:
            ModelError: when the schedule cannot be inverted.
        """
        denoiser = Denoiser(self.model, embeddings, table=self.table, counter=self.counter)
        return tuple(
            self._drawn_again(climb(denoiser, z_0, advance), denoiser, advance)
            for climb in (self._plain, self._fixed_point)
        )

    def _plain(self, denoiser: Denoiser, z_0: Tensor, advance: Advance) -> Ascent:
        trace = _Trace(len(z_0), advance, keep=self.config.store_trajectory)
        z_T = invert(denoiser, z_0, self.model.schedule, self.table, on_step=trace.on_step)
        return Ascent(
            method="plain",
            z_T=z_T,
            z_0=z_0,
            evaluations=torch.full((len(z_0),), len(self.table)),
            fell_back=torch.zeros(len(z_0), dtype=torch.bool),
            trajectory=trace.trajectory(),
        )

    def _fixed_point(self, denoiser: Denoiser, z_0: Tensor, advance: Advance) -> Ascent:
        trace = _Trace(len(z_0), advance, keep=self.config.store_trajectory)
        rule = FixedPointRule(self.config.refinement_iterations, self.config.tolerance)
        found = invert_fixed_point(
            denoiser, z_0, self.model.schedule, self.table, rule=rule, on_step=trace.on_step
        )
        iterations = found.iterations.cpu()
        return Ascent(
            method="fixed_point",
            z_T=found.z_T,
            z_0=z_0,
            evaluations=iterations.sum(dim=1) + len(self.table),
            fell_back=found.fell_back.any(dim=1).cpu(),
            residual=found.residuals.amax(dim=1).cpu(),
            iterations=iterations.float().mean(dim=1),
            trajectory=trace.trajectory(),
        )

    def _drawn_again(self, ascent: Ascent, denoiser: Denoiser, advance: Advance) -> Ascent:
        z_0 = sample(
            denoiser,
            ascent.z_T,
            self.model.schedule,
            self.table,
            sampler=Ddim(),
            on_step=lambda _step, state: advance(len(state)),
        )
        return replace(ascent, z_0=z_0)


class _Trace:
    """Reports steps, and remembers the states after them when told to keep them."""

    def __init__(self, count: int, advance: Advance, *, keep: bool) -> None:
        self._count = count
        self._advance = advance
        self._keep = keep
        self._states: list[Tensor] = []

    def on_step(self, _step: int, state: Tensor) -> None:
        if self._keep:
            self._states.append(state.cpu())
        self._advance(self._count)

    def trajectory(self) -> Tensor | None:
        return torch.stack(self._states, dim=1) if self._states else None
