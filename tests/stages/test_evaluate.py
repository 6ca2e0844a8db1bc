import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from moongate.artifacts.shards import NOTHING_TO_DO, shards
from moongate.artifacts.store import Store
from moongate.config import EvaluateConfig, GateConfig
from moongate.errors import InputError, NumericsError
from moongate.metrics.rows import SummaryRow
from moongate.models.source import BaseSource
from moongate.report.diagnosis import diagnose
from moongate.stages.context import StageContext
from moongate.stages.evaluate import EvaluateInputs, do_shard, evaluate, num_items, recipe
from tests.evaluation_material import (
    DUCK,
    SUBJECT,
    image_set,
    inversions,
    picture,
    sample_set,
    without_pictures,
)

TEMPLATES = tuple(f"a {{subject}} {scene}" for scene in ("in snow", "on a beach", "at night", "in a city"))
TRAINING = [picture(seed, SUBJECT) for seed in range(5)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EvaluateConfig:
    from tests.tiny_extractors import write_clip, write_vit

    folder = tmp_path_factory.mktemp("extractors")
    return EvaluateConfig(
        identity=str(write_vit(folder / "vit")),
        clip=str(write_clip(folder / "clip")),
        bootstrap_draws=200,
        batch_size=7,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def inputs(store: Store, tmp_path_factory: pytest.TempPathFactory) -> EvaluateInputs:
    """A tuned model that pastes its training pictures, and whose class has become the subject."""
    pasted = {template: [TRAINING[s] for s in range(3)] for template in TEMPLATES}
    ducks = {t: [picture(100 + 10 * p + s, DUCK) for s in range(3)] for p, t in enumerate(TEMPLATES)}
    collapsed = {"a {subject}": [picture(500 + s, SUBJECT) for s in range(24)]}
    plain = {"a {subject}": [picture(600 + s, DUCK) for s in range(24)]}
    return EvaluateInputs(
        base=BaseSource(tmp_path_factory.mktemp("base"), "some-base"),
        class_noun="duck",
        train=image_set(store, "train", TRAINING),
        holdout=image_set(store, "holdout", [picture(50 + seed, SUBJECT) for seed in range(4)]),
        tuned_samples=sample_set(store, "tuned", "tuned", pasted),
        base_samples=sample_set(store, "base", "base", ducks),
        tuned_class=sample_set(store, "tuned-class", "tuned", collapsed),
        base_class=sample_set(store, "base-class", "base", plain),
        tuned_inversions=inversions(
            store, "inv-t", "tuned", {"a": (20.0, 24.9, 25.0), "b": (21.0, 25.9, 26.0)}
        ),
        base_inversions=inversions(
            store, "inv-b", "base", {"a": (22.0, 25.0, 25.0), "b": (23.0, 26.0, 26.0)}
        ),
    )


@pytest.fixture(scope="module")
def folder(config: EvaluateConfig, inputs: EvaluateInputs, store: Store) -> Path:
    return store.folder(evaluate(config, inputs, StageContext(store, device="cpu")).ref)


@pytest.fixture(scope="module")
def summary(folder: Path) -> list[SummaryRow]:
    return [SummaryRow(**row) for row in pq.read_table(folder / "summary.parquet").to_pylist()]


def row(summary: list[SummaryRow], family: str, model: str) -> SummaryRow:
    (found,) = [r for r in summary if r.metric.startswith(f"{family}.") and r.model == model]
    return found


def test_a_model_that_pastes_its_training_pictures_has_the_highest_copy_score(
    summary: list[SummaryRow],
) -> None:
    copied, honest, real = (row(summary, "copy", model) for model in ("tuned", "base", "real"))
    assert copied.low > 0
    assert copied.value > real.value > honest.value
    assert copied.direction == "lower"


def test_the_subject_is_found_in_pictures_of_it_and_not_in_others(summary: list[SummaryRow]) -> None:
    for family in ("subject_fidelity.identity", "subject_fidelity.clip"):
        tuned, base, real = (row(summary, family, model) for model in ("tuned", "base", "real"))
        assert tuned.value > base.high
        assert real.value > base.high


def test_a_class_that_became_the_subject_has_the_worst_pres(summary: list[SummaryRow]) -> None:
    tuned, base = row(summary, "class_resemblance", "tuned"), row(summary, "class_resemblance", "base")
    assert tuned.low > base.high
    assert tuned.direction == "lower"


def test_class_kid_shows_the_drift_above_the_floor(summary: list[SummaryRow]) -> None:
    drifted, floor = row(summary, "class_kid", "tuned"), row(summary, "class_kid", "base")
    assert drifted.low > floor.high
    # The floor compares one half of the pictures with the other, so all of them are behind it.
    assert (floor.n, drifted.n) == (24, 24)


def test_intervals_rest_on_prompts_for_samples_and_on_pictures_for_real_ones(
    summary: list[SummaryRow],
) -> None:
    tuned, real = row(summary, "prompt_fidelity", "tuned"), row(summary, "prompt_fidelity", "real")
    assert (tuned.unit, tuned.num_units, tuned.n) == ("prompt", 4, 12)
    assert (real.unit, real.num_units, real.n) == ("image", 4, 4)
    assert tuned.low <= tuned.value <= tuned.high


def test_inversions_stand_beside_the_vae_floor_for_both_models(summary: list[SummaryRow]) -> None:
    by_name = {(r.metric, r.model): r.value for r in summary}
    assert by_name["inversion_psnr.plain", "tuned"] == pytest.approx(20.5)
    assert by_name["inversion_psnr.vae_floor", "base"] == pytest.approx(25.5)
    assert by_name["inversion_gap_db.fixed_point", "base"] == pytest.approx(0.0)


def test_each_metric_and_model_has_one_summary_row(summary: list[SummaryRow]) -> None:
    keys = [(r.metric, r.model) for r in summary]
    assert len(keys) == len(set(keys))
    assert all(r.status == "ok" for r in summary)


def test_there_is_one_row_for_each_metric_model_and_picture(folder: Path) -> None:
    rows = pq.read_table(folder / "metrics.parquet").to_pylist()
    keys = [(r["metric"], r["model"], r["item_id"]) for r in rows]
    assert len(keys) == len(set(keys))
    tuned = [r for r in rows if r["metric"].startswith("copy.") and r["model"] == "tuned"]
    assert {(r["prompt_id"], r["seed"]) for r in tuned} == {(f"p{p}", s) for p in range(4) for s in range(3)}


def test_another_base_model_than_the_toybox_is_not_judged_by_its_judges(summary: list[SummaryRow]) -> None:
    assert not [r for r in summary if r.metric.startswith("judge_")]


def test_a_second_call_measures_nothing(
    config: EvaluateConfig, inputs: EvaluateInputs, store: Store, folder: Path
) -> None:
    again = evaluate(config, inputs, StageContext(store, device="cpu"))
    assert again.cached
    assert store.folder(again.ref) == folder


def test_sets_that_a_run_does_not_have_are_missing_and_the_rest_is_measured(
    config: EvaluateConfig, inputs: EvaluateInputs, store: Store
) -> None:
    bare = replace(
        inputs,
        holdout=None,
        tuned_class=None,
        base_class=None,
        tuned_inversions=None,
        base_inversions=None,
    )
    ref = evaluate(config, bare, StageContext(store, device="cpu")).ref
    table = pq.read_table(store.folder(ref) / "summary.parquet").to_pylist()
    found = [SummaryRow(**r) for r in table]
    absent = {(r.metric.split(".")[0], r.model) for r in found if r.status == "missing"}
    assert {("subject_fidelity", "real"), ("class_resemblance", "tuned"), ("class_kid", "base")} <= absent
    assert {("class_diversity", "base"), ("inversion_psnr", "tuned")} <= absent
    assert row(found, "copy", "tuned").status == "ok"


def test_models_that_drew_other_prompts_are_not_compared(
    config: EvaluateConfig, inputs: EvaluateInputs, store: Store
) -> None:
    others = sample_set(store, "others", "base", {"a {subject} on the moon": [picture(0), picture(1)]})
    with pytest.raises(InputError, match="same prompts"):
        evaluate(config, replace(inputs, base_samples=others), StageContext(store, device="cpu"))


def test_samples_passed_under_the_wrong_name_are_refused(
    config: EvaluateConfig, inputs: EvaluateInputs, store: Store
) -> None:
    swapped = replace(inputs, base_samples=inputs.tuned_samples)
    with pytest.raises(InputError, match="not the base model's"):
        evaluate(config, swapped, StageContext(store, device="cpu"))


def test_the_address_follows_what_decides_the_figures_and_nothing_else(
    config: EvaluateConfig, inputs: EvaluateInputs, tmp_path: Path
) -> None:
    from tests.tiny_extractors import write_vit

    known = recipe(config, inputs).digest
    moved = config.model_copy(update={"identity": str(write_vit(tmp_path / "vit"))})
    other_weights = config.model_copy(update={"identity": str(write_vit(tmp_path / "1" / "vit", seed=1))})
    assert recipe(moved, inputs).digest == known
    assert recipe(config.model_copy(update={"batch_size": 3}), inputs).digest == known
    changed = {
        recipe(other_weights, inputs).digest,
        recipe(config.model_copy(update={"confidence": 0.9}), inputs).digest,
        recipe(config, replace(inputs, class_noun="goose")).digest,
        recipe(config, replace(inputs, seed=1)).digest,
        recipe(config, replace(inputs, holdout=None)).digest,
    }
    assert len(changed | {known}) == 6


def test_the_address_is_found_without_torch(config: EvaluateConfig) -> None:
    program = (
        "import sys; from moongate.stages import evaluate;"
        "from moongate.models.extractor_source import resolve_extractor;"
        f"resolve_extractor('identity', {config.identity!r}).name;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.fixture(scope="module")
def torn(inputs: EvaluateInputs, store: Store) -> EvaluateInputs:
    """The same run, but one of the tuned model's pictures and one of its class pictures were not drawn."""
    return replace(
        inputs,
        tuned_samples=without_pictures(store, "torn", inputs.tuned_samples, ["tuned-p0-1"]),
        tuned_class=without_pictures(store, "torn-class", inputs.tuned_class, ["tuned-p0-3"]),
        on_bad_item="skip",
    )


def test_pictures_that_were_not_drawn_are_in_no_mean_and_every_figure_says_how_many(
    config: EvaluateConfig, torn: EvaluateInputs, store: Store, summary: list[SummaryRow]
) -> None:
    obtained = evaluate(config, torn, StageContext(store, device="cpu"))
    folder = store.folder(obtained.ref)
    rows = pq.read_table(folder / "metrics.parquet").to_pylist()
    lost = [one for one in rows if one["status"] == "lost"]
    assert {one["item_id"] for one in lost} == {"tuned-p0-1", "tuned-p0-3"}
    assert {(one["value"], one["reason"]) for one in lost} == {(None, "it was not drawn: NaN")}
    found = [SummaryRow(**one) for one in pq.read_table(folder / "summary.parquet").to_pylist()]
    fidelity = row(found, "subject_fidelity.identity", "tuned")
    values = [one["value"] for one in rows if (one["metric"], one["model"]) == (fidelity.metric, "tuned")]
    assert (fidelity.n, fidelity.lost) == (11, 1)
    assert fidelity.value == pytest.approx(sum(value for value in values if value is not None) / 11)
    for family in ("class_resemblance", "class_diversity", "class_kid"):
        assert (row(found, family, "tuned").n, row(found, family, "tuned").lost) == (23, 1)
    untouched = [one for one in found if one.model == "real"]
    assert untouched == [one for one in summary if one.model == "real"]
    # They were lost by the sample stage, which has counted them.
    assert obtained.lost == 0


def test_shards_of_torn_sets_see_every_picture_and_change_no_figure(
    config: EvaluateConfig, torn: EvaluateInputs, store: Store, tmp_path: Path
) -> None:
    whole = StageContext(store, device="cpu")
    undivided = evaluate(config, torn, whole)
    shutil.copytree(store.root, tmp_path, dirs_exist_ok=True)
    divided = StageContext(Store(tmp_path), device="cpu")
    shutil.rmtree(divided.store.folder(undivided.ref))

    parts = shards(num_items(config, torn, divided.store), config.batch_size, workers=2)
    batches = sum(do_shard(config, torn, part, divided).batches for part in parts)
    kept = divided.store.scratch(recipe(config, torn)) / "batches"
    assert len(list(kept.glob("*.safetensors"))) == batches

    found = evaluate(config, torn, divided)
    first, second = (
        {file.name: file.sha256 for file in context.store.manifest(undivided.ref).files}
        for context in (whole, divided)
    )
    assert (found.cached, found.ref, second) == (False, undivided.ref, first)
    assert [do_shard(config, torn, part, divided) for part in parts] == [NOTHING_TO_DO] * len(parts)


def test_a_text_that_has_no_feature_loses_its_pictures_or_stops_the_stage(
    config: EvaluateConfig, inputs: EvaluateInputs, store: Store, tmp_path: Path
) -> None:
    shutil.copytree(config.clip, tmp_path / "clip")
    tensors = load_file(tmp_path / "clip/model.safetensors")
    # Only "a duck in a city" ends a word in "y".
    letter = json.loads((tmp_path / "clip/tokenizer.json").read_text())["model"]["vocab"]["y</w>"]
    tensors["text_model.embeddings.token_embedding.weight"][letter] = np.nan
    save_file(tensors, tmp_path / "clip/model.safetensors", metadata={"format": "pt"})
    poisoned = config.model_copy(update={"clip": str(tmp_path / "clip")})
    with pytest.raises(NumericsError, match=r"3 of 12 pictures .*\n.*\n.*tuned-p3-0, tuned-p3-1, tuned-p3-2"):
        evaluate(poisoned, inputs, StageContext(store, device="cpu"))
    skipping = replace(inputs, on_bad_item="skip")
    obtained = evaluate(poisoned, skipping, StageContext(store, device="cpu"))
    assert obtained.lost == 6
    table = pq.read_table(store.folder(obtained.ref) / "summary.parquet").to_pylist()
    fidelity = row([SummaryRow(**one) for one in table], "prompt_fidelity", "base")
    assert (fidelity.n, fidelity.lost) == (9, 3)
    assert diagnose([SummaryRow(**one) for one in table], GateConfig()).word == "unknown"
