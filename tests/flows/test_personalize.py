import socket
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.announcing import listening
from flows.events import Event, RunFinished
from flows.personalize import personalize
from flows.plan import plan
from moongate.config import RunConfig
from moongate.errors import InputError
from moongate.overrides import with_overrides
from moongate.runs import VERBS, RunRecord, list_runs, run_folder
from tests.flows.tiny_run import tiny_settings

pytestmark = pytest.mark.usefixtures("prefect_server", "home")

INSTANCES = [
    ("ingest", "train"),
    ("ingest", "holdout"),
    ("ingest", "evaluation"),
    ("prior", "class"),
    ("cache", "train"),
    ("cache", "holdout"),
    ("cache", "class"),
    ("cache", "evaluation"),
    ("train", "tuned"),
    ("invert", "base"),
    ("invert", "tuned"),
    ("sample", "base"),
    ("sample", "tuned"),
    ("sample", "base class"),
    ("sample", "tuned class"),
    ("sample", "swapped"),
    ("evaluate", "all"),
]


def test_a_run_performs_every_stage_once_in_order_and_ends_in_a_report(first: RunRecord, home: Path) -> None:
    assert first.status == "completed"
    assert [(entry.stage, entry.role) for entry in first.stages] == [*INSTANCES, ("record", "run")]
    assert first.unet_evals > 0
    assert (run_folder(home, first.run_id) / "report.html").stat().st_size > 0


def test_what_computes_holds_one_device_and_ingest_and_record_hold_none(first: RunRecord, home: Path) -> None:
    slot = f"slot-0@{socket.gethostname()}"
    held = {entry.stage: entry.leased for entry in first.stages}
    assert held == {"ingest": "", "record": ""} | dict.fromkeys(VERBS[1:-1], slot)
    (table,) = (home / "tables" / "stages").glob(f"*{first.run_id}*")
    rows = pq.read_table(table).to_pylist()
    assert {row["stage"]: row["leased"] or "" for row in rows} == held


def test_a_second_run_finds_everything_and_evaluates_no_unet(first: RunRecord, config: RunConfig) -> None:
    assert all(stage.cached for stage in plan(config, "record"))
    second = personalize(config)
    assert all(entry.cached for entry in second.stages if entry.stage != "record")
    assert second.unet_evals == 0
    assert {entry.leased for entry in second.stages} == {""}
    assert [entry.digest for entry in second.stages] == [entry.digest for entry in first.stages]


def test_a_plan_gives_the_addresses_that_a_run_then_fills(first: RunRecord, config: RunConfig) -> None:
    planned = [(stage.stage, stage.role, stage.digest) for stage in plan(config, "record")]
    assert planned == [(entry.stage, entry.role, entry.digest) for entry in first.stages[:-1]]


def test_a_stable_diffusion_2_folder_runs_the_whole_chain_and_its_export_predicts_v(
    tmp_path: Path, tiny_sd2: Path, home: Path
) -> None:
    from diffusers import StableDiffusionPipeline

    small = ["train_text_encoder=false", "unet_layers=attention", "gradient_checkpointing=true"]
    config = with_overrides(tiny_settings(tmp_path, tiny_sd2), [f"train.{setting}" for setting in small])
    record = personalize(config)
    assert record.status == "completed"
    assert [(entry.stage, entry.role) for entry in record.stages] == [*INSTANCES, ("record", "run")]
    pipeline = StableDiffusionPipeline.from_pretrained(run_folder(home, record.run_id) / "model")
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    moved = {part: changed(pipeline, tiny_sd2, part) for part in ("unet", "text_encoder")}
    assert moved["unet"]
    assert all(".attn1." in name or ".attn2." in name for name in moved["unet"])
    assert not moved["text_encoder"]


def test_the_export_holds_the_tuned_text_encoder_beside_the_tuned_unet(
    first: RunRecord, config: RunConfig, home: Path
) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(run_folder(home, first.run_id) / "model")
    assert all(changed(pipeline, Path(config.base.model), part) for part in ("unet", "text_encoder"))


def changed(pipeline: object, base: Path, part: str) -> list[str]:
    """Return the names of a module's parameters that are not those of the base model."""
    from diffusers import StableDiffusionPipeline

    before = getattr(StableDiffusionPipeline.from_pretrained(base), part).state_dict()
    after = getattr(pipeline, part).state_dict()
    return [name for name, tensor in after.items() if not tensor.equal(before[name])]


def test_without_prior_preservation_its_stage_is_left_out(first: RunRecord, config: RunConfig) -> None:
    plain = with_overrides(config, ["train.prior_weight=0"])
    assert ("prior", "class") not in [(stage.stage, stage.role) for stage in plan(plain, "train")]


def test_what_is_wrong_late_in_the_chain_is_found_before_any_stage_runs(
    config: RunConfig, home: Path
) -> None:
    mistaken = with_overrides(config, ["sample.prompts=nowhere.jsonl", "seed=99"])
    told: list[Event] = []
    with listening(told.append), pytest.raises(InputError, match=r"nowhere\.jsonl"):
        personalize(mistaken)
    _, last = told
    assert isinstance(last, RunFinished)
    assert (last.status, "nowhere.jsonl" in str(last.error)) == ("failed", True)
    failed = list_runs(home)[0]
    assert (failed.status, failed.stages) == ("failed", ())
    assert "nowhere.jsonl" in str(failed.error)
