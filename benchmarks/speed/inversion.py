"""Inversion: up and down again, at equal steps and at equal round-trip error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.speed.bench import Bench
from benchmarks.speed.models import stage_model
from benchmarks.speed.plain_inversion import scheduler_loop
from benchmarks.speed.racing import Contender, Done, Portion
from benchmarks.speed.rows import Row, compared
from moongate.artifacts.latents import LatentSet
from moongate.models.source import BaseSource

NAME = "inversion"
_UNIT = "s per picture, up and down"


def measure(bench: Bench) -> Iterator[Row]:
    """Yield plain inversion at equal steps, then refined inversion at the error of many plain steps."""
    yield from _at_equal_steps(bench)
    yield _at_equal_error(bench)


def our_round_trip(
    base: BaseSource,
    device: str,
    precision: str,
    latents: Path,
    rows: Sequence[int],
    steps: int,
    refinements: int,
) -> Portion:
    """Return what inverts the latents of `rows` in one batch and draws them again.

    Args:
        base: the model.
        device: where.
        precision: arithmetic inside the UNet.
        latents: folder of the latent set.
        rows: which of its pictures.
        steps: of each walk.
        refinements: most fixed-point iterations a step; 0 = plain inversion.
    """
    from moongate.diffusion.inversion import FixedPointRule, invert, invert_fixed_point
    from moongate.diffusion.samplers import Ddim, sample
    from moongate.diffusion.schedule import timestep_table
    from moongate.models.denoiser import Denoiser, EvalCounter

    model = stage_model(base, device, precision)
    known, table = LatentSet(latents), timestep_table(model.schedule, steps)
    z_0 = (known.means(rows) * model.scaling_factor).to(model.device)
    text = known.embeddings(rows)

    def portion() -> Done:
        counter = EvalCounter()
        denoiser = Denoiser(model, text, table=table, counter=counter)
        if refinements:
            rule = FixedPointRule(refinements, tolerance=1e-3)
            z_T = invert_fixed_point(denoiser, z_0, model.schedule, table, rule=rule).z_T
        else:
            z_T = invert(denoiser, z_0, model.schedule, table)
        end = sample(denoiser, z_T, model.schedule, table, sampler=Ddim())
        error = (end - z_0).flatten(1).norm(dim=1) / z_0.flatten(1).norm(dim=1)
        return Done(len(rows), unet_evals=counter.evaluations, error=float(error.mean()))

    return portion


def _at_equal_steps(bench: Bench) -> Iterator[Row]:
    size, steps = bench.size, bench.size.invert_steps
    many, few = range(size.invert_pictures), range(size.invert_singles)
    usual = "bfloat16" if bench.device.startswith("cuda") else "float32"
    laps = bench.race(
        NAME,
        (
            _ours(bench, "ours bfloat16", "bfloat16", many, steps, 0),
            _ours(bench, "ours float32", "float32", many, steps, 0),
            _theirs(bench, "single", usual, few, steps, 1),
            _theirs(bench, "batched", usual, many, steps, size.invert_pictures),
        ),
        min(3, size.rounds),
    )
    subject, batch = bench.subject(NAME), size.invert_pictures
    case = f"plain inversion in {steps} steps"
    single = (f"DDIMInverseScheduler, {usual}, one at a time", laps["single"])
    together = (f"DDIMInverseScheduler, {usual}, batch {batch}", laps["batched"])
    mine = (f"moongate, bfloat16, batch {batch}", laps["ours bfloat16"])
    row = compared(subject, f"{case}, against one at a time", _UNIT, 1.0, mine, single)
    yield _with_errors(row.aimed("ratio", "at least", 3.0), mine[1].error, single[1].error)
    row = compared(subject, f"{case}, against a batch", _UNIT, 1.0, mine, together)
    yield _with_errors(row, mine[1].error, together[1].error)
    exact = (f"moongate, float32, batch {batch}", laps["ours float32"])
    row = compared(subject, f"{case}, against a batch, float32", _UNIT, 1.0, exact, together)
    yield _with_errors(row, exact[1].error, together[1].error)


def _at_equal_error(bench: Bench) -> Row:
    """Return refined inversion, as fine as need be, against plain inversion in many steps."""
    size = bench.size
    # Half as many: the fine walk is long, and both sides batch alike.
    rows = range(size.invert_pictures // 2)
    fine = _ours(bench, "plain", "float32", rows, size.invert_fine_steps, 0)
    refined = _ours(bench, "refined", "float32", rows, size.invert_steps, 1)
    laps = bench.race(NAME, (refined, fine), min(2, size.rounds))
    row = compared(
        bench.subject(NAME),
        f"the error of {size.invert_fine_steps} plain steps, reached by refinement",
        _UNIT,
        1.0,
        (f"moongate, float32, {size.invert_steps} steps, 1 refinement", laps["refined"]),
        (f"moongate, float32, {size.invert_fine_steps} plain steps", laps["plain"]),
    )
    row = _with_errors(row, laps["refined"].error, laps["plain"].error)
    return row.aimed("ratio", "at least", 2.0)


def _with_errors(row: Row, ours: float | None, theirs: float | None) -> Row:
    note = f"relative round-trip error of the latents: ours {ours:.1e}, peer {theirs:.1e}"
    return replace(row, note=note)


def _ours(
    bench: Bench, name: str, precision: str, rows: Sequence[int], steps: int, refinements: int
) -> Contender:
    arguments = _common(bench) | {
        "precision": precision,
        "rows": tuple(rows),
        "steps": steps,
        "refinements": refinements,
    }
    return Contender(name, our_round_trip, arguments, bench.device, bench.warm_ups)


def _theirs(
    bench: Bench, name: str, precision: str, rows: Sequence[int], steps: int, batch: int
) -> Contender:
    arguments = _common(bench) | {
        "precision": precision,
        "rows": tuple(rows),
        "steps": steps,
        "batch": batch,
    }
    return Contender(name, scheduler_loop, arguments, bench.device, bench.warm_ups)


def _common(bench: Bench) -> dict[str, object]:
    material = bench.material
    return {
        "base": bench.base,
        "device": bench.device,
        "latents": material.folder(material.evaluation_latents),
    }
