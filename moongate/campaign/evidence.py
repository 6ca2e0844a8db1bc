"""What a run's artifacts say of its result: the verdict, both fidelities by prompt, what training kept."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

from moongate.artifacts.digests import json_digest
from moongate.artifacts.manifest import Manifest
from moongate.artifacts.refs import AdapterRef, MetricsRef
from moongate.artifacts.store import Store
from moongate.config import GateConfig, RunConfig
from moongate.metrics.rows import MetricRow, SummaryRow
from moongate.report.reading import UNREADABLE, read_picture_scores, read_scores, read_validation
from moongate.report.verdict import Finding, Verdict, judge
from moongate.runs import RunRecord, Verb

_WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class PromptShares:
    """Subject fidelity and prompt fidelity of one prompt's pictures, as shares like those of the whole run.

    Shares are linear in the scores that they are made of, so the mean over all pictures is the run's own.

    Attributes:
        prompt_id: of the prompt.
        pictures: number of pictures behind the shares.
    """

    prompt_id: str
    pictures: int
    fidelity: float
    prompt_fidelity: float


@dataclass(frozen=True)
class Evidence:
    """What was read of a run; see `moongate.campaign.outcomes.Outcome` for the fields."""

    verdict: Verdict
    by_prompt: tuple[PromptShares, ...] = ()
    kept_step: int | None = None
    build_s: float | None = None
    result: str = ""

    @classmethod
    def none(cls, gate: GateConfig) -> Self:
        """What is known of a run without figures."""
        return cls(judge((), gate))


def evidence_of(store: Store, record: RunRecord) -> Evidence:
    """Read what the artifacts of a run say of its result; a run that was not evaluated says nothing.

    Raises:
        One of `moongate.report.reading.UNREADABLE`: when an artifact was removed or is damaged.
    """
    if (figures := _digest_of(record, "evaluate")) is None:
        return Evidence.none(record.config.gate)
    folder = store.folder(MetricsRef(figures))
    verdict = judge(read_scores(folder), record.config.gate)
    return Evidence(
        verdict,
        tuple(_by_prompt(read_picture_scores(folder), verdict)),
        _kept_step(store, record),
        _build_s(store, record),
        _result_of(store, record),
    )


def result_digest(adapter: Manifest, config: RunConfig) -> str:
    """Return what identifies a run's result: equal for two runs that cannot differ in anything but time.

    It covers the base model, the bytes of the weights that training kept, and every setting outside `train`.
    The address of an adapter does not serve: it comes from the settings, and trainings of 100 and of 400
    steps that both keep step 100 leave the same weights at two addresses. The step alone does not either,
    for two learning rates may both keep it.
    """
    base = [digest for name, digest in adapter.inputs if name == "base"]
    weights = [(file.name, file.sha256) for file in adapter.files if file.name.endswith(_WEIGHTS)]
    return json_digest([base, weights, config.model_dump(mode="json", exclude={"train"})])


def _by_prompt(rows: Sequence[MetricRow], verdict: Verdict) -> Iterator[PromptShares]:
    """Yield the shares of each prompt that has both scores, in the order of the prompts' names."""
    near, follows = _scores(rows, verdict.learned), _scores(rows, verdict.follows)
    for prompt in sorted(near.keys() & follows.keys()):
        subject, kept = _along(near[prompt], verdict.learned), _of_start(follows[prompt], verdict.follows)
        yield PromptShares(prompt, len(near[prompt]), subject, kept)


def _scores(rows: Sequence[MetricRow], finding: Finding) -> Mapping[str, Sequence[float]]:
    """Return the tuned model's scores that a finding rests on, by prompt; none when there is no finding."""
    found: dict[str, list[float]] = defaultdict(list)
    if finding.tuned is not None:
        for row in rows:
            if (row.metric, row.model) == (finding.tuned.metric, "tuned") and row.value is not None:
                found[row.prompt_id or ""].append(row.value)
    return found


def _along(scores: Sequence[float], finding: Finding) -> float:
    start, goal = _value(finding.start), _value(finding.goal)
    return (fmean(scores) - start) / (goal - start)


def _of_start(scores: Sequence[float], finding: Finding) -> float:
    return fmean(scores) / _value(finding.start)


def _value(score: SummaryRow | None) -> float:
    if score is None or score.value is None:
        raise ValueError("a finding with a tuned score has the scores that it is compared with")
    return score.value


def _kept_step(store: Store, record: RunRecord) -> int | None:
    if (adapter := _digest_of(record, "train")) is None:
        return None
    try:
        return read_validation(store.folder(AdapterRef(adapter)))[1]
    except UNREADABLE:
        # The figures were measured and stand, whatever became of the weights since.
        return None


def _build_s(store: Store, record: RunRecord) -> float:
    """Return what the run's artifacts took to build, each counted once and wherever it was built."""
    made = (store.look_up(digest) for digest in {entry.digest for entry in record.current() if entry.digest})
    return sum(manifest.wall_s for manifest in made if manifest is not None)


def _result_of(store: Store, record: RunRecord) -> str:
    adapter = _digest_of(record, "train")
    manifest = store.look_up(adapter) if adapter else None
    return result_digest(manifest, record.config) if manifest else ""


def _digest_of(record: RunRecord, stage: Verb) -> str | None:
    return next((entry.digest for entry in record.current() if entry.stage == stage), None)
