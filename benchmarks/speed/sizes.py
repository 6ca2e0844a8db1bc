"""How much of each workload is run: enough to tell, at the architecture and on the device in hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Counts of every workload. Figures are for one item, so they do not depend on these.

    Attributes:
        name: "full" or "tiny".
        rounds: laps of each contender.
        train_steps: optimizer steps a lap.
        train_batch: subject pictures in a step; as many class pictures come beside them.
        sample_prompts, sample_seeds: pictures of the whole sample set, drawn once.
        sample_steps: of every picture.
        sample_batch: pictures drawn at once by us, and in a lap.
        sample_singles: pictures in a lap of the pipeline that draws one at a time.
        peer_batches: the pipeline's batch sizes, of which its best is taken.
        invert_pictures: in a lap of ours.
        invert_singles: in a lap of one at a time.
        invert_steps: of the plain inversion.
        invert_fine_steps: of the plain inversion whose error is to be reached.
        cache_pictures: encoded in a lap.
        cache_reads: rows read at random in a lap.
        job_rounds: laps of whole jobs, and of started processes.
        job_settings: of the whole job.
        growth_images, growth_samples, growth_steps, growth_subjects: the points.
    """

    name: str
    rounds: int
    train_steps: int
    train_batch: int
    sample_prompts: int
    sample_seeds: int
    sample_steps: int
    sample_batch: int
    sample_singles: int
    peer_batches: tuple[int, ...]
    invert_pictures: int
    invert_singles: int
    invert_steps: int
    invert_fine_steps: int
    cache_pictures: int
    cache_reads: int
    job_rounds: int
    job_settings: tuple[str, ...]
    growth_images: tuple[int, ...]
    growth_samples: tuple[int, ...]
    growth_steps: tuple[int, ...]
    growth_subjects: tuple[int, ...]


# The whole chain with every stage instance and little work in each: what is measured is what lies around it.
_SHORT_JOB = (
    "prior.num_images=8",
    "prior.steps=5",
    "train.steps=10",
    "train.warmup_steps=2",
    "train.validate_every=5",
    "train.num_validation_draws=4",
    "invert.steps=5",
    "invert.num_images=2",
    "invert.refinement_iterations=1",
    "sample.seeds_per_prompt=1",
    "sample.steps=4",
    "sample.class_images=4",
    "evaluate.bootstrap_draws=100",
)
FULL = Size(
    name="full",
    rounds=5,
    train_steps=3,
    train_batch=4,
    sample_prompts=100,
    sample_seeds=4,
    sample_steps=50,
    sample_batch=64,
    sample_singles=2,
    peer_batches=(4, 8, 16, 32),
    invert_pictures=16,
    invert_singles=1,
    invert_steps=50,
    invert_fine_steps=200,
    cache_pictures=96,
    cache_reads=200,
    job_rounds=3,
    job_settings=_SHORT_JOB,
    growth_images=(5, 50, 500, 5000),
    growth_samples=(10, 100, 1000),
    growth_steps=(5, 20, 80),
    growth_subjects=(1, 2, 4),
)
TINY = Size(
    name="tiny",
    rounds=2,
    train_steps=1,
    train_batch=1,
    sample_prompts=2,
    sample_seeds=1,
    sample_steps=2,
    sample_batch=2,
    sample_singles=1,
    peer_batches=(2, 3),
    invert_pictures=2,
    invert_singles=1,
    invert_steps=2,
    invert_fine_steps=4,
    cache_pictures=4,
    cache_reads=2,
    job_rounds=1,
    job_settings=(*_SHORT_JOB, "train.steps=1", "sample.steps=1", "invert.steps=1", "prior.num_images=2"),
    growth_images=(5, 10),
    growth_samples=(1, 2),
    growth_steps=(1, 2),
    growth_subjects=(1, 2),
)
SIZES = {size.name: size for size in (FULL, TINY)}
