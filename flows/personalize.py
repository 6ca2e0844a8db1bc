"""The chain: from a folder of pictures to a judged, personalized model."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from prefect import flow, runtime

from flows.announcing import announce, announced
from flows.engines.choice import EngineChoice
from flows.engines.crews import crew
from flows.events import Metric, MetricsMeasured, VerdictReached
from flows.ingredients import Ingredients, Outcome
from flows.intake import UnusableFoldersError, record_refused, take_in
from flows.performers import EndOfChain, Live, Perform, rehearse
from flows.readers import outliving_readers
from flows.reuse import check_reuse
from flows.stopping import heeding_stops
from moongate.artifacts.refs import MetricsRef
from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.metrics.rows import SummaryRow
from moongate.models.identifiers import doubts_about
from moongate.models.source import BaseSource, resolve_base
from moongate.overrides import with_overrides
from moongate.report.diagnosis import Diagnosis, check_gate, diagnose
from moongate.report.reading import read_scores
from moongate.run_tables import on_record
from moongate.runs import Origin, RunRecord, Verb, new_run_id
from tasks.cache import cache
from tasks.evaluate import evaluate
from tasks.invert import invert
from tasks.prior import prior
from tasks.sample import sample
from tasks.train import train

_log = logging.getLogger("moongate.personalize")


@flow(name="personalize", flow_run_name="{config.subject.name} until {until}", persist_result=False)
def personalize(
    config: RunConfig = RunConfig(),  # noqa: B008 - frozen, and the run form shows literal defaults only
    until: Verb = "record",
    origin: Origin = Origin(),  # noqa: B008
    overrides: list[str] = [],  # noqa: B006 - never changed, and the run form shows literal defaults only
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> RunRecord:
    """Personalize the base model on one subject, and judge it.

    Args:
        config: every setting.
        until: the last stage to perform.
        origin: the run that this one repeats from one of its stages on, if any.
        overrides: settings such as `train.steps=10`, laid over `config`. A config that is given replaces that
            of a deployment whole; these change one value each.
        engine: local: every stage in this process; dask, ray: divided among workers with a device each.

    Raises:
        ConfigError: when an override is not valid.
        MoongateError: as `perform_run`.
    """
    return perform_run(with_overrides(config, overrides), until, origin, engine)


def perform_run(config: RunConfig, until: Verb, origin: Origin, engine: EngineChoice) -> RunRecord:
    """Perform a run within the current flow run.

    Raises:
        StoreError: when the store cannot be written.
        ConfigError: when a stage before the one to be repeated would not be what the earlier run had, or the
            engine cannot be used.
        EngineError: when the workers of the engine cannot be used, or died again and again.
        GateError: when the gate does not let the result pass; the run is recorded all the same.
    """
    store = Store.from_environment()
    store.require_writable()
    base = resolve_base(config.base)
    for doubt in doubts_about(config.subject, base):
        _log.warning("%s", doubt)
    check_reuse(store, origin, lambda rehearsed: chain(config, base, rehearsed))
    opened = on_record(store.root, _new_record(config, until, origin), base)
    with outliving_readers(), heeding_stops(), announced(store, opened) as run:
        try:
            rebuild = origin.from_stage if origin.force else None
            with crew(engine) as workers:
                live = Live(run, until, rebuild, workers)
                _perform_all(config, base, store, live)
        except UnusableFoldersError as refused:
            record_refused(store, run.record, refused.faults)
            raise
    return run.record


def _perform_all(config: RunConfig, base: BaseSource, store: Store, live: Live) -> None:
    """Rehearse the chain, so that what is wrong late in it is known at once; then perform it.

    A folder that cannot be read stops the rehearsal, but performing begins with the folders, and says of all
    of them at once what is wrong with each file.
    """
    with suppress(UnusableFoldersError):
        rehearse(live.until, lambda rehearsed: chain(config, base, rehearsed))
    with suppress(EndOfChain):
        outcome, metrics = chain(config, base, live)
        scores = read_scores(store.folder(metrics))
        diagnosis = diagnose(scores, config.gate)
        live.run.judged(diagnosis.word, diagnosis.reason)
        _announce_result(live.run.record.run_id, scores, diagnosis)
        live.record(config, outcome.recorded(live.run.record, base, metrics))
        check_gate(config.gate, diagnosis)


def _announce_result(run_id: str, scores: Sequence[SummaryRow], diagnosis: Diagnosis) -> None:
    announce(MetricsMeasured(run_id=run_id, metrics=tuple(map(Metric.of, scores))))
    announce(VerdictReached(run_id=run_id, verdict=diagnosis.word, reason=diagnosis.reason))


def chain(config: RunConfig, base: BaseSource, perform: Perform) -> tuple[Outcome, MetricsRef]:
    """The chain: ingest -> prior -> cache -> train -> invert -> sample -> evaluate."""
    given, wants_prior = Ingredients(config, base), config.train.prior_weight > 0

    taken = take_in(given, perform)
    pictures, holdout, evaluation = taken["train"], taken.get("holdout"), taken["evaluation"]

    class_pictures = perform(prior, "class", *given.plain_class()) if wants_prior else None

    latents = perform(cache, "train", *given.of_subject(pictures))
    kept_latents = perform(cache, "holdout", *given.of_subject(holdout)) if holdout else None
    class_latents = perform(cache, "class", *given.of_class(class_pictures)) if class_pictures else None
    eval_latents = perform(cache, "evaluation", *given.captioned(evaluation))

    adapter = perform(train, "tuned", *given.lesson(latents, class_latents, kept_latents))

    base_inversions = perform(invert, "base", *given.inversion(evaluation, eval_latents, None))
    tuned_inversions = perform(invert, "tuned", *given.inversion(evaluation, eval_latents, adapter))

    base_samples = perform(sample, "base", *given.prompts(None))
    tuned_samples = perform(sample, "tuned", *given.prompts(adapter))
    base_class = perform(sample, "base class", *given.class_prompt(None))
    tuned_class = perform(sample, "tuned class", *given.class_prompt(adapter))
    swapped_samples = perform(sample, "swapped", *given.swap(base_inversions, adapter))

    outcome = Outcome(
        instance=pictures,
        holdout=holdout,
        evaluation=evaluation,
        adapter=adapter,
        base_inversions=base_inversions,
        tuned_inversions=tuned_inversions,
        base_samples=base_samples,
        tuned_samples=tuned_samples,
        swapped_samples=swapped_samples,
        base_class=base_class,
        tuned_class=tuned_class,
    )
    return outcome, perform(evaluate, "all", *outcome.judged(config, base))


def _new_record(config: RunConfig, until: Verb, origin: Origin) -> RunRecord:
    """Return the record of this flow run; when Prefect retries it, that is an attempt of the same run."""
    started = runtime.flow_run.scheduled_start_time
    return RunRecord(
        run_id=new_run_id(started, config.subject.name, runtime.flow_run.id),
        **origin.model_dump(),
        until=until,
        attempt=runtime.flow_run.run_count,
        started_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
        config=config,
    )
