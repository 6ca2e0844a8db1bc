"""The loop that draws pictures: in batches, each picture a function of its own prompt, start and noise."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.shards import Shard
from moongate.bad_items import GO_ON, BadItem
from moongate.config import OnBadItem
from moongate.diffusion.guidance import Guidance
from moongate.diffusion.noise import gaussian_batch
from moongate.diffusion.samplers import Sampler, StepNoise, sample
from moongate.diffusion.schedule import timestep_table
from moongate.models.base import DiffusionModel
from moongate.models.denoiser import Denoiser, EvalCounter
from moongate.models.finite import finite_rows, not_finite, not_finite_error, zeroed
from moongate.models.prompt_book import PromptBook
from moongate.models.text import too_long
from moongate.progress import Progress
from moongate.sampling.rendering import Pixels, render


@dataclass(frozen=True)
class Order:
    """One picture to draw.

    Attributes:
        item: names the picture within its set and keys its noise.
        prompt: what it shall show.
    """

    item: str
    prompt: str


@dataclass(frozen=True)
class Manner:
    """How every picture of a set is drawn. `batch_size` changes no picture beyond float rounding."""

    steps: int
    sampler: Sampler
    guidance: Guidance
    batch_size: int
    negative_prompt: str = ""


@dataclass(frozen=True)
class NoiseKey:
    """The noise of a set of pictures: a function of (seed, purpose, item, step), whatever the batch."""

    seed: int
    purpose: str

    def starts(self, shape: Sequence[int], orders: Sequence["Order"]) -> Tensor:
        """Return z_T of each order, (B, *shape) float32 standard normal on the CPU."""
        return gaussian_batch(shape, self.seed, f"{self.purpose}.z_T", [order.item for order in orders])

    def steps(self, shape: Sequence[int], orders: Sequence["Order"]) -> StepNoise:
        """Return the fresh noise of each sampling step, (B, *shape) float32 on the CPU."""
        items = [order.item for order in orders]
        return lambda step: gaussian_batch(shape, self.seed, f"{self.purpose}.step", items, step=step)


_WHERE = "drawing, z_0"
_FIX = f"lower the guidance, or use base.precision=float32, {GO_ON}"

# The orders of a batch -> z_T of each, (B, C, h, w) float32, or float64 from an inversion.
Starts = Callable[[Sequence[Order]], Tensor]


@dataclass(frozen=True)
class Studio:
    """Draws pictures with one model in one manner.

    Attributes:
        model: the base model, or a tuned one.
        manner: steps, sampler, guidance.
        noise: of the start, and of each step where the sampler adds any.
        starts: where the walk down begins; from `noise` when None.
        finished: batches of an interrupted drawing, and where this one keeps its own.
        counter: counts the UNet's evaluations, those of batches that are taken up included.
        on_bad_item: whether a picture that cannot be drawn ends the drawing.
    """

    model: DiffusionModel
    manner: Manner
    noise: NoiseKey
    starts: Starts | None = None
    finished: FinishedBatches = field(default_factory=lambda: FinishedBatches(None))
    counter: EvalCounter = field(default_factory=EvalCounter)
    on_bad_item: OnBadItem = "stop"

    def draw(
        self, orders: Sequence[Order], progress: Progress, label: str
    ) -> Iterator[tuple[Order, Pixels | BadItem]]:
        """Yield each order with its picture, (H, W, 3) uint8, in order and as batches are finished.

        In the place of a picture that cannot be drawn comes what is wrong with it, unless that ends the
        drawing. Progress is counted in picture steps.

        Raises:
            InputError: when a prompt is too long for the model, and bad items are not skipped.
            NumericsError: when latents stop being finite, and bad items are not skipped; it names the
                pictures.
            StopError: after a batch, when the process was asked to stop.
        """
        refused = self._refused(orders)
        fitting = [order for order in orders if order.prompt not in refused]
        batches, book = self._batches(fitting), self._book(fitting)
        with progress.track(label, len(fitting) * self.manner.steps) as advance:
            drawn = (found for batch in batches for found in self._drawn(batch, book, advance))
            for order in orders:
                reason = refused.get(order.prompt)
                yield order, BadItem(order.item, "too_long", reason) if reason else next(drawn)

    def draw_shard(self, orders: Sequence[Order], shard: Shard, progress: Progress, label: str) -> int:
        """Draw the batches of a shard of the orders, leave them among the finished ones, and count them.

        A finished batch says which of its pictures could not be drawn, and `draw` reads it there.

        Raises:
            InputError, NumericsError, StopError: as `draw` does.
        """
        refused = self._refused(orders)
        fitting = [order for order in orders if order.prompt not in refused]
        batches, book = list(shard.of(self._batches(fitting))), self._book(fitting)
        total = sum(len(batch) for batch in batches)
        with progress.track(label, total * self.manner.steps) as advance:
            for batch in batches:
                self._drawn(batch, book, advance)
        return len(batches)

    def _book(self, orders: Sequence[Order]) -> PromptBook:
        # Of all orders, also for a shard: how many texts are encoded at once may show in their last bits.
        return PromptBook(self.model, [*(order.prompt for order in orders), self.manner.negative_prompt])

    def _refused(self, orders: Sequence[Order]) -> dict[str, str]:
        """Return what is wrong with the prompts that the model would cut."""
        errors = too_long(self.model.tokenizer, {order.prompt: None for order in orders})
        for error in errors.values():
            if self.on_bad_item == "stop":
                raise error
        return {prompt: f"its prompt is too long: {error.why}" for prompt, error in errors.items()}

    def _batches(self, orders: Sequence[Order]) -> Iterator[Sequence[Order]]:
        size = self.manner.batch_size
        return (orders[first : first + size] for first in range(0, len(orders), size))

    def _drawn(
        self, batch: Sequence[Order], book: PromptBook, advance: Callable[[int], None]
    ) -> list[Pixels | BadItem]:
        """Return the pictures of a batch, or what is wrong with one, unless that ends the drawing."""
        done = self._done(batch, book, advance)
        unsound = set(done.facts.get("not_finite", ()))
        if unsound and self.on_bad_item == "stop":
            raise not_finite_error(
                [batch[index].item for index in sorted(unsound)], len(batch), where=_WHERE, fix=_FIX
            )
        return [
            not_finite(order.item, _WHERE) if index in unsound else pixels
            for index, (order, pixels) in enumerate(zip(batch, done.arrays["pixels"], strict=True))
        ]

    def _done(self, batch: Sequence[Order], book: PromptBook, advance: Callable[[int], None]) -> Batch:
        """Return `pixels`, (B, H, W, 3) uint8, of a batch, drawing it unless that has been done.

        Its facts have the rows that are `not_finite`; their pixels mean nothing.
        """
        items = [order.item for order in batch]
        if found := self.finished.find(items):
            advance(len(batch) * self.manner.steps)
            self.counter.evaluations += found.facts["unet_evals"]
            return found
        before = self.counter.evaluations
        z_0 = self._walk_down(batch, book, advance)
        sound = finite_rows(z_0)
        pixels = render(self.model, zeroed(z_0, sound))
        unsound = [index for index, is_finite in enumerate(sound) if not is_finite]
        facts = {"unet_evals": self.counter.evaluations - before, "not_finite": unsound}
        done = Batch({"pixels": pixels}, facts)
        self.finished.publish(items, done)
        return done

    def _walk_down(self, batch: Sequence[Order], book: PromptBook, advance: Callable[[int], None]) -> Tensor:
        model, manner = self.model, self.manner
        table = timestep_table(model.schedule, manner.steps)
        z_T = self.starts(batch) if self.starts else self.noise.starts(model.latent_shape, batch)
        denoiser = Denoiser(
            model,
            book.of([order.prompt for order in batch]),
            table=table,
            guidance=manner.guidance,
            unconditional=book.of([manner.negative_prompt]),
            counter=self.counter,
        )
        return sample(
            denoiser,
            z_T.to(model.device),
            model.schedule,
            table,
            sampler=manner.sampler,
            noise=self.noise.steps(z_T.shape[1:], batch),
            on_step=lambda _step, _state: advance(len(batch)),
        )
