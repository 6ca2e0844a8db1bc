"""A stage that is stopped after each of its batches: every time it goes on, and ends with the same bytes."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from moongate import interruption
from moongate.artifacts.store import Obtained
from moongate.config import CacheConfig, InvertConfig, PriorConfig, SampleConfig, TrainConfig
from moongate.interruption import StopError
from moongate.prompts import PromptRow
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.context import StageContext
from moongate.stages.invert import InvertInputs, invert
from moongate.stages.prior import PriorInputs, prior
from moongate.stages.sample import SampleInputs, sample
from moongate.stages.train import TrainInputs, train
from moongate.subject import SubjectConfig

SUBJECT = SubjectConfig(class_noun="duck", identifier="sks")
Perform = Callable[[StageContext], Obtained]


class Asked:
    """Progress that asks the process to stop as soon as some work is done."""

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        yield lambda count: interruption.ask_to_stop(signal.SIGTERM)


@pytest.fixture
def stage(request, base, put_images) -> Perform:
    """Performs the stage that the test asks for, in batches of two."""

    def latents(context):
        return cache(CacheConfig(), CacheInputs(put_images(context), base, SUBJECT), context).ref

    def draw_prior(context):
        config = PriorConfig(num_images=5, steps=2, batch_size=2)
        return prior(config, PriorInputs(base, "float32", "a duck", 0), context)

    def encode(context):
        return cache(CacheConfig(batch_size=2), CacheInputs(put_images(context), base), context)

    def draw_inversions(context):
        images = put_images(context)
        config = InvertConfig(steps=3, batch_size=2, num_images=0, store_trajectory=True)
        return invert(config, InvertInputs(base, "float32", images, latents(context)), context)

    def draw_samples(context):
        rows = (PromptRow("snow", "a {subject} in the snow", "recontextualization"),)
        config = SampleConfig(steps=2, seeds_per_prompt=5, batch_size=2, eta=0.5)
        return sample(config, SampleInputs(base, "float32", SUBJECT, 0, rows), context)

    def tune(context):
        config = TrainConfig(steps=3, batch_size=2, warmup_steps=0, validate_every=2, num_validation_draws=2)
        mine = latents(context)
        return train(config, TrainInputs(base, "float32", "sks", "duck", 0, mine, mine, mine), context)

    stages = {
        "prior": draw_prior,
        "cache": encode,
        "invert": draw_inversions,
        "sample": draw_samples,
        "train": tune,
    }
    return stages[request.param]


def stopped_until_done(stage: Perform, context: StageContext) -> tuple[Obtained, int]:
    """Stop the stage as often as it heeds, and return what it gives in the end and how often that was."""
    for stops in range(10):
        try:
            return stage(replace(context, progress=Asked())), stops
        except StopError:
            interruption.forget()
    raise AssertionError("it never ends")


@pytest.fixture(autouse=True)
def no_request() -> Iterator[None]:
    yield
    interruption.forget()


def contents(obtained: Obtained, context: StageContext) -> dict[str, str]:
    """Return the sha256 of each file. Training's rows hold seconds, which differ."""
    files = context.store.manifest(obtained.ref).files
    return {record.name: record.sha256 for record in files if record.name != "train_steps.parquet"}


@pytest.mark.parametrize(
    ("stage", "times"),
    [("prior", 3), ("cache", 2), ("invert", 3), ("sample", 3), ("train", 3)],
    indirect=["stage"],
)
def test_a_stage_stopped_again_and_again_ends_like_one_that_was_not(
    stage: Perform, times: int, new_context: Callable[[], StageContext]
) -> None:
    whole, stopped = new_context(), new_context()
    expected = stage(whole)
    found, stops = stopped_until_done(stage, stopped)
    assert stops == times
    assert contents(found, stopped) == contents(expected, whole)
    assert found.facts == expected.facts
    assert not list((stopped.store.root / "scratch").glob("*/*"))
