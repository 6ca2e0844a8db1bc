"""The main job as a plain script: the same stages, one after the other, without Prefect.

python -m benchmarks.speed.plain_job --set train.steps=10
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TypeVar
from uuid import uuid4

from flows.ingredients import Ingredients, Outcome
from moongate.artifacts.refs import MetricsRef, Ref
from moongate.artifacts.store import Obtained, Store
from moongate.config import RunConfig
from moongate.models.source import BaseSource, resolve_base
from moongate.overrides import load_config
from moongate.report.diagnosis import diagnose
from moongate.report.reading import read_scores
from moongate.run_tables import on_record
from moongate.runs import Run, RunRecord, new_run_id
from moongate.stages.cache import cache
from moongate.stages.context import StageContext
from moongate.stages.evaluate import evaluate
from moongate.stages.ingest import ingest
from moongate.stages.invert import invert
from moongate.stages.prior import prior
from moongate.stages.record import record
from moongate.stages.sample import sample
from moongate.stages.train import train

R = TypeVar("R", bound=Ref)


class _Script:
    """Calls a stage's core function and notes what it cost."""

    def __init__(self, context: StageContext, run: Run) -> None:
        self._context = context
        self._run = run

    def __call__(
        self,
        stage: Callable[[Any, Any, StageContext], Obtained[R]],
        role: str,
        given: tuple[object, object],
    ) -> R:
        obtained = stage(*given, self._context)
        self._run.add(stage.__name__, role, obtained)  # type: ignore[arg-type]
        return obtained.ref


def perform(config: RunConfig, base: BaseSource, do: _Script) -> tuple[Outcome, MetricsRef]:
    """Do every stage that `moongate run` does, in its order."""
    given, subject = Ingredients(config, base), config.subject
    pictures = do(ingest, "train", given.subject_folder(subject.folder))
    kept = (
        do(ingest, "holdout", given.held_out_folder(subject.holdout_folder, subject.folder))
        if subject.holdout_folder
        else None
    )
    others = do(ingest, "evaluation", given.captioned_folder(config.ingest.evaluation_folder))
    class_pictures = do(prior, "class", given.plain_class())
    latents = do(cache, "train", given.of_subject(pictures))
    kept_latents = do(cache, "holdout", given.of_subject(kept)) if kept else None
    class_latents = do(cache, "class", given.of_class(class_pictures))
    other_latents = do(cache, "evaluation", given.captioned(others))
    adapter = do(train, "tuned", given.lesson(latents, class_latents, kept_latents))
    base_inversions = do(invert, "base", given.inversion(others, other_latents, None))
    outcome = Outcome(
        instance=pictures,
        holdout=kept,
        evaluation=others,
        adapter=adapter,
        base_inversions=base_inversions,
        tuned_inversions=do(invert, "tuned", given.inversion(others, other_latents, adapter)),
        base_samples=do(sample, "base", given.prompts(None)),
        tuned_samples=do(sample, "tuned", given.prompts(adapter)),
        base_class=do(sample, "base class", given.class_prompt(None)),
        tuned_class=do(sample, "tuned class", given.class_prompt(adapter)),
        swapped_samples=do(sample, "swapped", given.swap(base_inversions, adapter)),
    )
    return outcome, do(evaluate, "all", outcome.judged(config, base))


def main(arguments: list[str]) -> None:
    """Run the job with the settings given as `--set key=value`, in the store at $MOONGATE_HOME."""
    logging.basicConfig(level=logging.WARNING)
    config = load_config(None, [word for word in arguments if word != "--set"])
    store, base, now = Store.from_environment(), resolve_base(config.base), datetime.now(UTC)
    store.require_writable()
    context = StageContext(store, device=config.base.device)
    new = RunRecord(
        run_id=new_run_id(now, config.subject.name, uuid4().hex),
        until="record",
        attempt=1,
        started_utc=now.isoformat(timespec="milliseconds"),
        config=config,
    )
    with on_record(store.root, new, base) as run:
        outcome, metrics = perform(config, base, _Script(context, run))
        diagnosis = diagnose(read_scores(store.folder(metrics)), config.gate)
        run.judged(diagnosis.word, diagnosis.reason)
        started = perf_counter()
        record(config, outcome.recorded(run.record, base, metrics), context)
        run.add_record(perf_counter() - started)


if __name__ == "__main__":
    main(sys.argv[1:])
