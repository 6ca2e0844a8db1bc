"""Pictures and the model that inverts them: a batch after another, each kept once it is finished."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.inverted import Method
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.shards import Shard
from moongate.bad_items import GO_ON
from moongate.config import OnBadItem
from moongate.inversions.inverter import WALKS, Advance, Ascent, Inverter
from moongate.inversions.keeping import InvertedBatch
from moongate.inversions.pictures import Choice, Target
from moongate.models.finite import finite_rows, not_finite_error, zeroed
from moongate.models.latents import to_mean_latents
from moongate.models.prompt_book import PromptBook
from moongate.progress import Progress
from moongate.sampling.rendering import render

LABEL = "invert"


def where_of(method: Method) -> str:
    """Return where something went wrong, for people."""
    return f"{LABEL}, method {method}"


@dataclass(frozen=True)
class Inversion:
    """What is inverted, and by what.

    Attributes:
        choice: the pictures.
        latents: where their posterior means are.
        inverter: the model and the method.
        finished: batches of an interrupted inversion, and where this one keeps its own.
        on_bad_item: whether a picture whose latents stop being finite ends the inversion.
    """

    choice: Choice
    latents: LatentSet
    inverter: Inverter
    finished: FinishedBatches
    on_bad_item: OnBadItem

    @property
    def targets(self) -> tuple[Target, ...]:
        """The pictures that have a latent."""
        return self.choice.targets

    @property
    def evaluations(self) -> int:
        """Samples that went through the UNet so far, those of batches that were taken up included."""
        return self.inverter.counter.evaluations

    @property
    def device(self) -> str:
        """What the model computes on."""
        return str(self.inverter.model.device)

    def invert(self, progress: Progress) -> Iterator[tuple[Sequence[Target], InvertedBatch]]:
        """Yield each batch of pictures with what inverting it gave, in order and as batches are finished.

        Progress is counted in steps of every picture and walk.

        Raises:
            InputError: when a prompt is too long for the model.
            NumericsError: when latents stop being finite, and bad items are not skipped; it names the
                pictures.
            StopError: after a batch, when the process was asked to stop.
        """
        yield from self._inverted(list(self._batches()), progress)

    def invert_shard(self, shard: Shard, progress: Progress) -> int:
        """Invert the batches of a shard, leave them among the finished ones, and count them.

        Raises:
            InputError, NumericsError, StopError: as `invert` does.
        """
        return sum(1 for _ in self._inverted(list(shard.of(self._batches())), progress))

    def _batches(self) -> Iterator[Sequence[Target]]:
        size = self.inverter.config.batch_size
        return (self.targets[first : first + size] for first in range(0, len(self.targets), size))

    def _inverted(
        self, batches: Sequence[Sequence[Target]], progress: Progress
    ) -> Iterator[tuple[Sequence[Target], InvertedBatch]]:
        total = sum(len(batch) for batch in batches)
        with progress.track(LABEL, total * len(self.inverter.table) * WALKS) as advance:
            for batch in batches:
                done = self._obtained(batch, advance)
                if self.on_bad_item == "stop":
                    _refuse_unsound(batch, done.ascents)
                yield batch, done

    def _obtained(self, batch: Sequence[Target], advance: Advance) -> InvertedBatch:
        """Return what inverting a batch gives, computing it unless that has been done."""
        counter, names = self.inverter.counter, [target.picture.image_id for target in batch]
        if found := self.finished.find(names):
            advance(len(batch) * len(self.inverter.table) * WALKS)
            counter.evaluations += found.facts["unet_evals"]
            return InvertedBatch.of(found.arrays)
        before = counter.evaluations
        done = self._invert_batch(batch, advance)
        self.finished.publish(names, Batch(done.arrays(), {"unet_evals": counter.evaluations - before}))
        return done

    def _invert_batch(self, batch: Sequence[Target], advance: Advance) -> InvertedBatch:
        model = self.inverter.model
        means = self.latents.means([target.row for target in batch]).to(model.device)
        z_0 = to_mean_latents(means, model.scaling_factor)
        embeddings = self._book.of([target.prompt for target in batch])
        floor = render(model, zeroed(z_0, finite_rows(z_0)))
        ascents = self.inverter.ascents(z_0, embeddings, advance)
        drawn = (render(model, zeroed(ascent.z_0, finite_rows(ascent.z_0))) for ascent in ascents)
        return InvertedBatch(floor, ascents, tuple(drawn))

    @cached_property
    def _book(self) -> PromptBook:
        # Of all pictures, also for a shard: how many texts are encoded at once may show in their last bits.
        return PromptBook(self.inverter.model, (target.prompt for target in self.targets))


def _refuse_unsound(batch: Sequence[Target], ascents: Sequence[Ascent]) -> None:
    for ascent in ascents:
        marks = zip(batch, ascent.sound(), strict=True)
        if unsound := [target.picture.image_id for target, is_finite in marks if not is_finite]:
            raise not_finite_error(
                unsound,
                len(batch),
                where=where_of(ascent.method),
                fix=f"use base.precision=float32, or more steps, {GO_ON}",
            )
