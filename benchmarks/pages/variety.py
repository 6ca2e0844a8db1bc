"""A store in which an index has everything to show: runs, a failed one, a repetition, campaigns."""

from pathlib import Path

from benchmarks.pages.crowd import crowd
from moongate.artifacts.store import Store
from moongate.campaign.members import Member
from moongate.campaign.outcomes import Outcome, outcome_of
from moongate.campaign.recommendation import recommend
from moongate.campaign.record import Campaign, draw_campaign, write_campaign
from moongate.overrides import with_overrides
from moongate.runs import RunRecord, list_runs, run_folder

STEPS = (100, 200, 400, 800)
WHY = "InputError: there are no pictures\n  where: datasets/subjects/nothing\n  fix: put some there"


def vary(source: Path, model: RunRecord, target: Path) -> None:
    """Write a store at `target` from one finished run of `source`, whose artifacts are linked."""
    store = Store(target)
    crowd(source, model, len(STEPS), target)
    first, second, third, last = sorted(list_runs(target), key=lambda run: run.run_id)
    repeated: dict[str, object] = {
        "parent": first.run_id,
        "from_stage": "sample",
        "overrides": ("sample.guidance=5",),
    }
    _rewrite(target, second, repeated)
    _rewrite(target, third, {"status": "failed", "error": WHY, "verdict": "", "verdict_reason": ""})
    outcomes = tuple(_outcomes(store, [first, second, third, last]))
    _write(store, Campaign("batch-20260101-010000-0001", "batch", outcomes), model)
    best = recommend(outcomes, model.config.gate)
    _write(store, Campaign("sweep-20260102-010000-0002", "sweep", outcomes, best), model)


def _write(store: Store, campaign: Campaign, model: RunRecord) -> None:
    write_campaign(store, campaign)
    draw_campaign(store, campaign, model.config.gate)


def _outcomes(store: Store, runs: list[RunRecord]) -> list[Outcome]:
    found = []
    for steps, run in zip(STEPS, _as_recorded(store, runs), strict=True):
        overrides = (f"train.steps={steps}", f"train.learning_rate={1 / steps:g}")
        member = Member(" ".join(overrides), overrides, with_overrides(run.config, []))
        found.append(outcome_of(store, member, run))
    return found


def _as_recorded(store: Store, runs: list[RunRecord]) -> list[RunRecord]:
    """Return the runs as they are on record now, in the order of `runs`."""
    known = {run.run_id: run for run in list_runs(store.root)}
    return [known[run.run_id] for run in runs]


def _rewrite(root: Path, run: RunRecord, changes: dict[str, object]) -> None:
    changed = run.model_copy(update=changes)
    (run_folder(root, run.run_id) / "run.json").write_text(changed.model_dump_json(), encoding="utf-8")
