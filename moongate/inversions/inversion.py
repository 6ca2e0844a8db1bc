"""Pictures and the model that inverts them: a batch after another, each kept once it is finished."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from moongate.artifacts.batches import Batch, FinishedBatches
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.shards import Shard
from moongate.inversions.inverter import WALKS, Advance, Inverter
from moongate.inversions.keeping import InvertedBatch
from moongate.inversions.pictures import Target
from moongate.models.latents import to_mean_latents
from moongate.models.prompt_book import PromptBook
from moongate.progress import Progress
from moongate.sampling.rendering import render

LABEL = "invert"


@dataclass(frozen=True)
class Inversion:
    """What is inverted, and by what.

    Attributes:
        targets: the pictures.
        latents: where their posterior means are.
        inverter: the model and the method.
        finished: batches of an interrupted inversion, and where this one keeps its own.
    """

    targets: Sequence[Target]
    latents: LatentSet
    inverter: Inverter
    finished: FinishedBatches

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
            NumericsError: when latents stop being finite.
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
                yield batch, self._obtained(batch, advance)

    def _obtained(self, batch: Sequence[Target], advance: Advance) -> InvertedBatch:
        """Return what inverting a batch gives, computing it unless that has been done."""
        counter, names = self.inverter.counter, [target.picture.image_id for target in batch]
        if found := self.finished.find(names):
            advance(len(batch) * len(self.inverter.table) * WALKS)
            counter.evaluations += found.facts["unet_evals"]
            return InvertedBatch.of(found.arrays)
        before = counter.evaluations
        done = self._invert_batch(batch, names, advance)
        self.finished.publish(names, Batch(done.arrays(), {"unet_evals": counter.evaluations - before}))
        return done

    def _invert_batch(self, batch: Sequence[Target], names: Sequence[str], advance: Advance) -> InvertedBatch:
        model = self.inverter.model
        means = self.latents.means([target.row for target in batch]).to(model.device)
        z_0 = to_mean_latents(means, model.scaling_factor)
        embeddings = self._book.of([target.prompt for target in batch])
        floor = render(model, z_0)
        ascents = self.inverter.ascents(z_0, embeddings, names, advance)
        return InvertedBatch(floor, ascents, tuple(render(model, ascent.z_0) for ascent in ascents))

    @cached_property
    def _book(self) -> PromptBook:
        # Of all pictures, also for a shard: how many texts are encoded at once may show in their last bits.
        return PromptBook(self.inverter.model, (target.prompt for target in self.targets))
