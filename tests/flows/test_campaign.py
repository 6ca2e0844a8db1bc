"""Campaigns for real: the tiny run's settings over several subjects, and over several settings."""

import json
import shutil
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.announcing import announce, listening
from flows.campaign import batch, sweep
from flows.cli import app
from flows.cli_campaign import _table_when_stopped
from flows.events import CampaignFinished, CampaignStarted, Event, MemberFinished, SecondRun
from flows.members import perform_member
from flows.personalize import personalize
from flows.settings import as_toml
from moongate.artifacts.store import Store
from moongate.campaign.members import Member
from moongate.campaign.record import Campaign, campaign_folder, list_campaigns, load_campaign
from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.interruption import StopError, ask_to_stop, forget
from moongate.overrides import with_overrides
from moongate.runs import list_runs, load_run
from tests.tiny_extractors import write_clip, write_vit

LENIENT = (
    "gate.min_fidelity=0",
    "gate.min_prompt_fidelity=0",
    "gate.max_class_drift=9",
    "gate.max_copy=9",
    "gate.max_inversion_gap=99",
    "gate.min_diversity=0",
)

pytestmark = pytest.mark.usefixtures("prefect_server", "first")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> Path:
    """The tiny subject, one whose settings are no TOML, and one without pictures."""
    folder = tmp_path_factory.mktemp("subjects")
    shutil.copytree(config.subject.folder, folder / "moved_duck" / "train")
    shutil.copytree(str(config.subject.holdout_folder), folder / "moved_duck" / "holdout")
    (folder / "moved_duck" / "subject.toml").write_text('[subject]\nclass_noun = "duck"\n')
    (folder / "broken").mkdir()
    (folder / "broken" / "subject.toml").write_text("class_noun: duck")
    (folder / "empty").mkdir()
    (folder / "empty" / "subject.toml").write_text('[subject]\nclass_noun = "duck"\n')
    return folder


@pytest.fixture(scope="module")
def batched(subjects: Path, config: RunConfig) -> tuple[str | None, Campaign]:
    state = batch(str(subjects), config, return_state=True)
    return state.name, state.result()


def test_broken_subjects_cost_no_other_one_and_the_state_says_how_many(
    batched: tuple[str | None, Campaign],
) -> None:
    name, campaign = batched
    assert (name, campaign.summary) == ("Degraded", "2 of 3 failed")
    assert [(one.name, one.status) for one in campaign.outcomes] == [
        ("broken", "failed"),
        ("empty", "failed"),
        ("moved_duck", "completed"),
    ]
    broken, empty, _ = campaign.outcomes
    assert (broken.run_id, "not valid TOML" in broken.error) == (None, True)
    assert "empty" in empty.error


def test_what_another_run_built_from_the_same_pictures_is_found(
    batched: tuple[str | None, Campaign],
) -> None:
    *_, moved = batched[1].outcomes
    assert moved.built == 0
    assert moved.verdict


def test_a_campaign_is_a_table_a_plot_a_sheet_and_a_file(
    batched: tuple[str | None, Campaign], home: Path
) -> None:
    _, campaign = batched
    folder = campaign_folder(home, campaign.campaign_id)
    assert {path.name for path in folder.iterdir()} == {"campaign.json", "fidelity.png", "samples.png"}
    assert len(json.loads((folder / "campaign.json").read_text())["outcomes"]) == 3
    rows = pq.read_table(home / f"tables/campaigns/{campaign.campaign_id}.batch.0.parquet").to_pylist()
    assert [row["name"] for row in rows] == ["broken", "empty", "moved_duck"]
    assert rows[0]["verdict"] is None
    for row in rows[2:]:
        assert load_run(home, row["run_id"]).status == "completed"


def test_when_every_subject_fails_so_does_the_batch(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / "only").mkdir()
    state = batch(str(tmp_path), config, return_state=True)
    assert state.is_failed()
    assert state.result(raise_on_failure=False).summary == "1 of 1 failed"


def test_a_member_whose_run_could_not_be_entered_in_the_tables_failed(config: RunConfig, home: Path) -> None:
    table = home / "tables" / "runs"
    aside = table.rename(table.with_name("runs aside"))
    table.touch()
    try:
        found = perform_member(Member("duck", (), config), Store(home))
    finally:
        table.unlink()
        aside.rename(table)
    assert load_run(home, str(found.run_id)).status == "completed"
    assert found.status == "failed"
    assert str(table) in found.error


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (["--grid", "seed=0,1,2"], "the seed is no axis"),
        (["--grid", "train.steps=2,4", "--confirm-seed", "0"], "a seed cannot confirm itself"),
    ],
)
def test_a_dry_run_refuses_what_the_sweep_would_refuse(options: list[str], refused: str) -> None:
    done = CliRunner().invoke(app, ["sweep", "--dry-run", *options])
    assert done.exit_code == 1
    assert refused in f"{done.output}{done.exception}"


def test_a_dry_run_warns_of_missing_held_out_pictures(
    tmp_path: Path, config: RunConfig, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(as_toml(with_overrides(config, ["subject.holdout_folder=none", "train.selection=last"])))
    done = CliRunner().invoke(
        app,
        ["sweep", "--dry-run", "--preset", str(file), "--grid", "train.steps=2,4"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    said = f"{done.output}{capfd.readouterr().err}"
    assert said.count("no result can be called good: there are no held-out pictures") == 1


def test_a_sweeps_own_seed_cannot_confirm_it(config: RunConfig) -> None:
    with pytest.raises(ConfigError, match="cannot confirm itself"):
        sweep(["train.steps=2,4"], config, confirm_seed=config.seed)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> RunConfig:
    """Settings with judges whose figures are values, and a gate that lets random weights pass."""
    folder = tmp_path_factory.mktemp("judges")
    judges = (
        f"evaluate.clip={write_clip(folder / 'clip', seed=1)}",
        f"evaluate.identity={write_vit(folder / 'vit', seed=1)}",
    )
    return with_overrides(config, [*judges, *LENIENT])


@pytest.fixture(scope="module")
def swept(judged: RunConfig) -> tuple[Campaign, tuple[Event, ...]]:
    """A sweep over two settings, of which the first has been run before; and what it announced."""
    personalize(with_overrides(judged, ["sample.guidance=3"]))
    heard: list[Event] = []
    with listening(heard.append):
        state = sweep(["sample.guidance=3,1.7"], judged, return_state=True)
    return state.result(), tuple(heard)


def test_a_sweep_builds_only_what_a_setting_changes(
    swept: tuple[Campaign, tuple[Event, ...]], home: Path
) -> None:
    as_before, other = swept[0].outcomes
    assert as_before.built == 0
    changed = {entry.stage for entry in load_run(home, str(other.run_id)).stages if not entry.cached}
    assert changed == {"sample", "evaluate", "record"}


def test_the_recommended_setting_is_run_once_more_with_the_other_seed_and_that_run_is_on_record(
    swept: tuple[Campaign, tuple[Event, ...]], judged: RunConfig, home: Path
) -> None:
    campaign, heard = swept
    advice = campaign.recommendation
    assert advice is not None
    assert advice.good
    second = advice.second
    assert second is not None
    assert second.run_id not in {one.run_id for one in campaign.outcomes}
    again = load_run(home, str(second.run_id)).config
    assert (again.seed, second.seed) == (judged.seed + 1, judged.seed + 1)
    taken = load_run(home, str(advice.outcome.run_id)).config
    assert again.model_copy(update={"seed": taken.seed}) == taken
    assert second.built > 0
    assert advice.confirmation.startswith(f"seed {second.seed} confirms it: good")
    (ended,) = (event for event in heard if isinstance(event, CampaignFinished))
    assert ended.second == SecondRun.of(second)
    assert load_campaign(home, campaign.campaign_id) == campaign


def test_an_outcome_has_intervals_and_shares_by_prompt_whose_mean_is_its_own(
    swept: tuple[Campaign, tuple[Event, ...]],
) -> None:
    for one in swept[0].outcomes:
        assert one.fidelities is not None
        assert one.fidelity_low is not None
        assert one.fidelity_high is not None
        assert one.fidelity_low <= one.fidelities[0] <= one.fidelity_high
        pictures = sum(prompt.pictures for prompt in one.by_prompt)
        for share, name in zip(one.fidelities, ("fidelity", "prompt_fidelity"), strict=True):
            total = sum(prompt.pictures * getattr(prompt, name) for prompt in one.by_prompt)
            assert total / pictures == pytest.approx(share)
    assert len({one.result for one in swept[0].outcomes}) == 2


@pytest.mark.usefixtures("swept")
def test_without_a_good_setting_nothing_is_run_once_more(judged: RunConfig, home: Path) -> None:
    before = len(list_runs(home))
    strict = with_overrides(judged, ["gate.min_fidelity=0.99"])
    campaign: Campaign = sweep(["sample.guidance=3,1.7"], strict, return_state=True).result()
    advice = campaign.recommendation
    assert advice is not None
    assert advice.reason.startswith("no setting is good; sample.guidance=")
    assert (advice.confirmation, advice.second) == ("no good setting to confirm", None)
    assert len(list_runs(home)) == before + 2


@pytest.mark.usefixtures("swept")
def test_a_sweep_that_is_stopped_leaves_its_record_and_prints_what_is_done(
    judged: RunConfig, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop_after_the_first(event: Event) -> None:
        if isinstance(event, MemberFinished):
            ask_to_stop(signal.SIGINT)

    def work() -> None:
        with pytest.raises(StopError), listening(stop_after_the_first):
            sweep(["sample.guidance=3,1.7"], judged, return_state=True)

    try:
        work()
    finally:
        forget()
    newest = list_campaigns(home)[0]
    assert (newest.state, [one.name for one in newest.outcomes]) == ("interrupted", ["sample.guidance=3"])
    assert newest.summary == "interrupted, 1 of 2 ended: 1 completed"
    with pytest.raises(StopError), _table_when_stopped():
        announce(CampaignStarted(campaign_id=newest.campaign_id, kind="sweep", members=()))
        raise StopError
    heading, _, row = capsys.readouterr().err.strip().partition("\n")
    assert heading.split()[0] == "guidance"
    assert row.split()[:2] == ["1", "3"]
