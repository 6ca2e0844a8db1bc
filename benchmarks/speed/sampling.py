"""Sampling: prompts x seeds, guided, against diffusers' pipeline one at a time and at its best batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.speed.bench import Bench
from benchmarks.speed.meters import matrix_rate, unet_operations
from benchmarks.speed.models import stage_model
from benchmarks.speed.plain_sampling import GUIDANCE, best_batch, draw, pipeline_draws, pipeline_of
from benchmarks.speed.racing import Contender, Done, Laps, Portion
from benchmarks.speed.rows import Row, alone, compared
from moongate.artifacts.images import read_captions
from moongate.models.source import BaseSource
from moongate.progress import Silent

if TYPE_CHECKING:
    from moongate.sampling.drawing import Order, Studio

NAME = "sampling"
_COMPARED_PICTURES = 2
_UNIT = "s per picture"


@dataclass(frozen=True)
class Drawing:
    """What one of our contenders draws: pictures of `prompts`, `seeds` each."""

    prompts: tuple[str, ...]
    seeds: int
    steps: int
    batch: int

    def orders(self) -> list[Order]:
        """Return the pictures to draw."""
        from moongate.sampling.drawing import Order

        pairs = ((number, prompt) for number, prompt in enumerate(self.prompts))
        return [Order(f"{number}-{seed}", prompt) for number, prompt in pairs for seed in range(self.seeds)]


def measure(bench: Bench) -> Iterator[Row]:
    """Yield ours against the pipeline by default and at equal precision, and the whole set drawn once."""
    size, material = bench.size, bench.material
    prompts = read_captions(material.folder(material.evaluation))[: size.sample_prompts]
    # On a GPU nobody runs the pipeline in float32; on a CPU nearly everybody does.
    usual = "bfloat16" if bench.device.startswith("cuda") else "float32"
    best = best_batch(bench.base, bench.device, usual, size.peer_batches, prompts[0])
    yield from _by_default(bench, prompts, usual, best)
    yield from _at_equal_precision(bench, prompts, best)
    yield _whole_set(bench, prompts)


def our_draws(base: BaseSource, device: str, precision: str, drawing: Drawing) -> Portion:
    """Return what draws every order of `drawing` as the sample stage does, decoded to 8-bit pictures."""
    model = stage_model(base, device, precision)
    orders = drawing.orders()
    _exhaust(_studio(model, replace(drawing, steps=1)), orders[: drawing.batch])

    def portion() -> Done:
        studio = _studio(model, drawing)
        _exhaust(studio, orders)
        return Done(len(orders), unet_evals=studio.counter.evaluations)

    return portion


def picture_difference(
    base: BaseSource, device: str, prompts: Sequence[str], steps: int
) -> tuple[int, float]:
    """Return how our float32 pictures differ from the pipeline's, drawn from the same noise.

    Returns:
        The largest difference of any 8-bit channel, and the share of channels that are equal.
    """
    import numpy as np

    from moongate.bad_items import BadItem
    from moongate.models.base import load_model
    from moongate.sampling.drawing import NoiseKey

    model = load_model(base, device, "float32")
    drawing = Drawing(tuple(prompts), 1, steps, len(prompts))
    orders = drawing.orders()
    drawn = _studio(model, drawing).draw(orders, Silent(), NAME)
    ours = np.stack([pixels for _, pixels in drawn if not isinstance(pixels, BadItem)])
    latents = NoiseKey(0, NAME).starts(model.latent_shape, orders).to(model.device)
    theirs = np.stack(
        [np.asarray(image) for image in draw(pipeline_of(model, "float32"), prompts, steps, latents)]
    )
    difference = np.abs(ours.astype(int) - theirs.astype(int))
    return int(difference.max()), float((difference == 0).mean())


def _studio(model: Any, drawing: Drawing) -> Studio:
    from moongate.diffusion.guidance import Guidance
    from moongate.diffusion.samplers import Ddim
    from moongate.sampling.drawing import Manner, NoiseKey, Studio

    manner = Manner(drawing.steps, Ddim(), Guidance(GUIDANCE), drawing.batch)
    return Studio(model, manner, NoiseKey(0, NAME))


def _exhaust(studio: Studio, orders: Sequence[Order]) -> None:
    for _ in studio.draw(orders, Silent(), NAME):
        pass


def _by_default(bench: Bench, prompts: Sequence[str], usual: str, best: int) -> Iterator[Row]:
    size, subject, on_gpu = bench.size, bench.subject(NAME), bench.device.startswith("cuda")
    laps = bench.race(
        NAME,
        (
            _ours(bench, prompts, "bfloat16", size.sample_batch),
            _theirs(bench, prompts[: size.sample_singles], usual, 1),
            _theirs(bench, prompts[:best], usual, best),
        ),
        min(3, size.rounds),
    )
    mine = ("moongate, bfloat16", laps["ours bfloat16"])
    largest, equal = picture_difference(
        bench.base, bench.device, prompts[:_COMPARED_PICTURES], size.sample_steps
    )
    note = (
        f"same pictures: in float32, from the same noise, {equal:.1%} of the 8-bit channels are equal and "
        f"none differs by more than {largest}"
    )
    one = f"pipeline, {usual}, one at a time"
    alone_row = compared(
        subject, _case(size.sample_steps, "one at a time"), _UNIT, 1.0, mine, (one, laps[f"{usual} 1"])
    )
    yield _limited(
        bench,
        replace(alone_row, note=note)
        if on_gpu
        else replace(alone_row, note=note).aimed("ratio", "at least", 4.0),
        mine[1],
    )
    tried = ", ".join(map(str, size.peer_batches))
    batch = (f"pipeline, {usual}, best batch ({best} of {tried})", laps[f"{usual} {best}"])
    row = compared(subject, _case(size.sample_steps, "its best batch"), _UNIT, 1.0, mine, batch)
    yield _limited(bench, row.aimed("ratio", "at least", 1.5 if on_gpu else 1.4), mine[1])


def _at_equal_precision(bench: Bench, prompts: Sequence[str], best: int) -> Iterator[Row]:
    size = bench.size
    batch = max(size.peer_batches)
    contenders = [_ours(bench, prompts, p, batch) for p in ("float32", "bfloat16")]
    contenders += [_theirs(bench, prompts[:best], p, best) for p in ("float32", "bfloat16")]
    laps = bench.race(NAME, tuple(contenders), min(2, size.rounds))
    for precision in ("float32", "bfloat16"):
        yield compared(
            bench.subject(NAME),
            _case(size.sample_steps, f"the pipeline, both in {precision}"),
            _UNIT,
            1.0,
            (f"moongate, {precision}, batch {batch}", laps[f"ours {precision}"]),
            (f"pipeline, {precision}, batch {best}", laps[f"{precision} {best}"]),
        )


def _whole_set(bench: Bench, prompts: Sequence[str]) -> Row:
    """Return the time of the whole set, drawn once."""
    size = bench.size
    drawing = Drawing(tuple(prompts), size.sample_seeds, size.sample_steps, size.sample_batch)
    arguments = {"base": bench.base, "device": bench.device, "precision": "bfloat16", "drawing": drawing}
    whole = Contender("whole", our_draws, arguments, bench.device, warm_ups=0)
    laps = bench.race(NAME, (whole,), 1)["whole"]
    case = f"the whole set: {len(prompts)} prompts x {size.sample_seeds} seeds, {size.sample_steps} steps"
    row = alone(bench.subject(NAME), case, "s", laps.laps[0].done.items, ("moongate, bfloat16", laps))
    return replace(row, ours_unet_evals=laps.unet_evals)


def _ours(bench: Bench, prompts: Sequence[str], precision: str, batch: int) -> Contender:
    # As many pictures as fill a batch; prompts repeat where there are fewer.
    filled = tuple(prompts[number % len(prompts)] for number in range(batch))
    drawing = Drawing(filled, 1, bench.size.sample_steps, batch)
    arguments = {"base": bench.base, "device": bench.device, "precision": precision, "drawing": drawing}
    return Contender(f"ours {precision}", our_draws, arguments, bench.device, bench.warm_ups)


def _theirs(bench: Bench, prompts: Sequence[str], precision: str, batch: int) -> Contender:
    arguments = {
        "base": bench.base,
        "device": bench.device,
        "precision": precision,
        "prompts": tuple(prompts),
        "steps": bench.size.sample_steps,
        "batch": batch,
    }
    return Contender(f"{precision} {batch}", pipeline_draws, arguments, bench.device, bench.warm_ups)


def _case(steps: int, against: str) -> str:
    return f"guided pictures of {steps} DDIM steps, against {against}"


def _limited(bench: Bench, row: Row, mine: Laps) -> Row:
    rate = matrix_rate(bench.device, "bfloat16")
    evals = mine.unet_evals / mine.laps[0].done.items
    return replace(
        row,
        share=evals * unet_operations(bench.base, bench.device) / mine.each / rate,
        limit=f"{rate / 1e9:.0f} GFLOP/s of a bfloat16 matrix product on this machine",
    )
