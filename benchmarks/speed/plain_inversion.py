"""DDIM inversion with diffusers' `DDIMInverseScheduler`, and back with its `DDIMScheduler`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.speed.racing import Done, Portion
from moongate.models.source import BaseSource

if TYPE_CHECKING:
    from torch import Tensor


def scheduler_loop(
    base: BaseSource,
    device: str,
    precision: str,
    latents: Path,
    rows: Sequence[int],
    steps: int,
    batch: int,
) -> Portion:
    """Return what inverts the latents of `rows` in `steps` steps and draws them again, `batch` at a time.

    As users write it: a UNet in `precision` under autocast, the state in float32, one label a step.
    """
    import torch
    from diffusers import DDIMInverseScheduler, DDIMScheduler

    from moongate.artifacts.latents import LatentSet
    from moongate.models.base import load_model
    from moongate.models.devices import torch_dtype

    model = load_model(base, device, "float32")
    down = DDIMScheduler(**model.scheduler_config.as_mapping())
    # Its own defaults are of another schedule, so it is made from the sampler's.
    up = DDIMInverseScheduler.from_config(down.config)
    known = LatentSet(latents)
    z_0 = (known.means(rows) * model.scaling_factor).to(model.device)
    text = known.embeddings(rows).to(model.device)
    dtype = torch_dtype(precision)

    @torch.no_grad()
    def walk(scheduler: DDIMScheduler | DDIMInverseScheduler, x: Tensor, context: Tensor) -> Tensor:
        scheduler.set_timesteps(steps, device=model.device)
        for t in scheduler.timesteps:
            with torch.autocast(model.device.type, dtype=dtype, enabled=dtype != torch.float32):
                said = model.unet(x, t, encoder_hidden_states=context).sample
            x = scheduler.step(said.float(), t, x).prev_sample
        return x

    def portion() -> Done:
        worst = []
        for first in range(0, len(rows), batch):
            start, context = z_0[first : first + batch], text[first : first + batch]
            end = walk(down, walk(up, start, context), context)
            worst.append((end - start).flatten(1).norm(dim=1) / start.flatten(1).norm(dim=1))
        error = float(torch.cat(worst).mean())
        return Done(len(rows), unet_evals=len(rows) * steps * 2, error=error)

    return portion
