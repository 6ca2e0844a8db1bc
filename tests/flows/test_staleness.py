"""The matrix of changes and stages: each change makes exactly what depends on it stale, and nothing else.

What is stale follows from addresses alone, so nothing is built here; that a run fills exactly the planned
addresses is told in test_personalize.py. The expected sets are written out by hand.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from flows.performers import rehearse
from flows.personalize import chain
from moongate.config import RunConfig
from moongate.models.source import resolve_base
from moongate.overrides import with_overrides
from moongate.stages import cache, evaluate, ingest, invert, prior, sample, train
from tests.flows.tiny_run import tiny_settings

INGESTED = {"ingest train", "ingest holdout", "ingest evaluation"}
CLASS = {"prior class", "cache class"}
LATENTS = {"cache train", "cache holdout", "cache evaluation"}
# The adapter, and what is done with it.
LEARNED = {
    "train tuned",
    "invert tuned",
    "sample tuned",
    "sample tuned class",
    "sample swapped",
    "evaluate all",
}
INVERTED = {"invert base", "invert tuned", "sample swapped", "evaluate all"}
FROM_NOISE = {"sample base", "sample tuned", "sample base class", "sample tuned class"}
ALL = INGESTED | CLASS | LATENTS | LEARNED | INVERTED | FROM_NOISE


@dataclass(frozen=True)
class World:
    """Everything that a run reads, in one folder, and the settings that name it."""

    folder: Path
    config: RunConfig

    def with_settings(self, *overrides: str) -> "World":
        return World(self.folder, with_overrides(self.config, overrides))

    def moved(self, folder: Path) -> "World":
        """Return a copy of the world at another place, under other names."""
        shutil.copytree(self.folder, folder)
        settings = self.config.model_dump_json().replace(f"{self.folder}/", f"{folder}/")
        return World(folder, RunConfig.model_validate_json(settings))

    def renamed(self, *folders: str) -> "World":
        """Give some of the folders another name."""
        settings = self.config.model_dump_json()
        for name in folders:
            (self.folder / name).rename(self.folder / f"{name}-renamed")
            settings = settings.replace(f'{self.folder}/{name}"', f'{self.folder}/{name}-renamed"')
        return World(self.folder, RunConfig.model_validate_json(settings))

    def addresses(self) -> dict[str, str]:
        """Return the address of every stage instance."""
        base = resolve_base(self.config.base)
        instances = rehearse("record", lambda perform: chain(self.config, base, perform))
        return {f"{recipe.stage} {role}": recipe.digest for role, recipe in instances}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> World:
    folder = tmp_path_factory.mktemp("worlds") / "original"
    folder.mkdir()
    shutil.copytree(tiny_sd1, folder / "model")
    return World(folder, tiny_settings(folder, folder / "model"))


@pytest.fixture(scope="module")
def addresses(original: World) -> dict[str, str]:
    return original.addresses()


@pytest.fixture
def world(original: World, tmp_path: Path) -> World:
    return original.moved(tmp_path / "copy")


def stale(before: dict[str, str], world: World) -> set[str]:
    after = world.addresses()
    assert after.keys() == before.keys()
    return {instance for instance, digest in after.items() if digest != before[instance]}


def repaint(picture: Path) -> None:
    pixels = np.asarray(Image.open(picture)).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(picture)


def reword(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    rows[0]["text"] = "a red duck at the beach"
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")


def nudge(weights: Path) -> None:
    tensors = load_file(weights)
    name = min(tensors)
    tensors[name] = tensors[name] + np.float32(1e-3)
    save_file(tensors, weights, metadata={"format": "pt"})


FILES: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "a training picture": (
        lambda root: repaint(root / "train/0.png"),
        # Held-out pictures are checked against those that are trained on.
        {"ingest train", "cache train", "ingest holdout", "cache holdout"} | LEARNED,
    ),
    "a training caption": (lambda root: reword(root / "train"), {"ingest train", "cache train"} | LEARNED),
    "a held-out picture": (
        lambda root: repaint(root / "holdout/0.png"),
        {"ingest holdout", "cache holdout"} | LEARNED,
    ),
    "an evaluation picture": (
        lambda root: repaint(root / "evaluation/0.png"),
        {"ingest evaluation", "cache evaluation"} | INVERTED,
    ),
    "an evaluation caption": (
        lambda root: reword(root / "evaluation"),
        {"ingest evaluation", "cache evaluation"} | INVERTED,
    ),
    "the VAE": (
        lambda root: nudge(root / "model/vae/diffusion_pytorch_model.safetensors"),
        ALL - INGESTED,
    ),
    "the text encoder": (
        lambda root: nudge(root / "model/text_encoder/model.safetensors"),
        ALL - INGESTED,
    ),
    "a prompt": (
        lambda root: (root / "prompts.jsonl").write_text(
            (root / "prompts.jsonl").read_text().replace("in the snow", "on the beach")
        ),
        {"sample base", "sample tuned", "evaluate all"},
    ),
    "the identity encoder": (lambda root: nudge(root / "vit/model.safetensors"), {"evaluate all"}),
}


@pytest.mark.parametrize("change", FILES)
def test_another_file_makes_exactly_what_depends_on_it_stale(
    change: str, world: World, addresses: dict[str, str]
) -> None:
    edit, expected = FILES[change]
    edit(world.folder)
    assert stale(addresses, world) == expected


SETTINGS = {
    "base.precision=bfloat16": CLASS | LEARNED | INVERTED | FROM_NOISE,
    "seed=1": CLASS | LEARNED | FROM_NOISE,
    "ingest.resolution=24": INGESTED | LATENTS | LEARNED | INVERTED,
    "subject.instance_prompt=a photo of {identifier} {class_noun}": {"cache train", "cache holdout"}
    | LEARNED,
    "subject.class_prompt=a photo of a {class_noun}": CLASS | LEARNED | {"sample base class"},
    "prior.num_images=4": CLASS | LEARNED,
    "train.learning_rate=0.01": LEARNED,
    "invert.steps=4": INVERTED,
    "sample.guidance=5": FROM_NOISE | {"evaluate all"},
    "sample.class_images=4": {"sample base class", "sample tuned class", "evaluate all"},
    "evaluate.confidence=0.9": {"evaluate all"},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_another_setting_makes_exactly_what_depends_on_it_stale(
    setting: str, original: World, addresses: dict[str, str]
) -> None:
    assert stale(addresses, original.with_settings(setting)) == SETTINGS[setting]


REVISIONS = {
    ingest: INGESTED | LATENTS | LEARNED | INVERTED,
    prior: CLASS | LEARNED,
    cache: LATENTS | {"cache class"} | LEARNED | INVERTED,
    train: LEARNED,
    invert: INVERTED,
    sample: FROM_NOISE | {"sample swapped", "evaluate all"},
    evaluate: {"evaluate all"},
}


@pytest.mark.parametrize("stage", REVISIONS, ids=lambda stage: stage.STAGE)
def test_a_raised_revision_makes_exactly_that_stage_and_what_depends_on_it_stale(
    stage, original: World, addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "REVISION", stage.REVISION + 1)
    assert stale(addresses, original) == REVISIONS[stage]


def test_another_place_and_other_names_of_folders_make_nothing_stale(
    original: World, addresses: dict[str, str], tmp_path: Path
) -> None:
    elsewhere = original.moved(tmp_path / "elsewhere").renamed("train", "holdout", "evaluation", "model")
    assert stale(addresses, elsewhere) == set()


def test_another_name_of_an_extractor_makes_the_metrics_stale_that_bear_it(
    world: World, addresses: dict[str, str]
) -> None:
    assert stale(addresses, world.renamed("vit")) == {"evaluate all"}


def test_touched_files_make_nothing_stale(world: World, addresses: dict[str, str]) -> None:
    for path in world.folder.rglob("*"):
        os.utime(path, (1, 1))
    assert stale(addresses, world) == set()


def test_files_written_again_with_the_same_bytes_make_nothing_stale(
    world: World, addresses: dict[str, str]
) -> None:
    for path in [path for path in world.folder.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert stale(addresses, world) == set()


@pytest.mark.parametrize(
    "setting",
    [
        "base.device=cuda:3",
        "subject.name=another_duck",
        "ingest.min_pictures=1",
        "ingest.allow_rejects=true",
        "cache.batch_size=1",
        "cache.shard_rows=1",
        "prior.batch_size=1",
        "train.checkpoint_every=1",
        "invert.batch_size=1",
        "sample.batch_size=1",
        "evaluate.batch_size=1",
        "record.contact_sheet_columns=3",
    ],
)
def test_a_setting_that_changes_no_result_makes_nothing_stale(
    setting: str, original: World, addresses: dict[str, str]
) -> None:
    assert stale(addresses, original.with_settings(setting)) == set()
