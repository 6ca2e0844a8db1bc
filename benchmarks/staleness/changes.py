"""Changes, and the stage instances that each must make stale. The sets are written out by hand."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from benchmarks.staleness.world import World

INGESTED = frozenset({"ingest train", "ingest holdout", "ingest evaluation"})
CLASS = frozenset({"prior class", "cache class"})
LATENTS = frozenset({"cache train", "cache holdout", "cache evaluation"})
# The adapter, and what is done with it.
LEARNED = frozenset(
    {"train tuned", "invert tuned", "sample tuned", "sample tuned class", "sample swapped", "evaluate all"}
)
INVERTED = frozenset({"invert base", "invert tuned", "sample swapped", "evaluate all"})
FROM_NOISE = frozenset({"sample base", "sample tuned", "sample base class", "sample tuned class"})
ALL = INGESTED | CLASS | LATENTS | LEARNED | INVERTED | FROM_NOISE
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """One change: what does it, and what it must make stale."""

    apply: Callable[[World], World]
    expected: frozenset[str]


def _repaint(world: World, name: str) -> None:
    picture = sorted((world.folder / name).glob("*.png"))[0]
    pixels = np.asarray(Image.open(picture)).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(picture)


def _reword(world: World, name: str) -> None:
    metadata = world.folder / name / "metadata.jsonl"
    rows = [json.loads(line) for line in metadata.read_text(encoding="utf-8").splitlines()]
    rows[0]["text"] = "a red duck at the beach"
    metadata.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")


def _nudge(world: World, name: str) -> None:
    weights = world.folder / name
    tensors = load_file(weights)
    first = min(tensors)
    tensors[first] = tensors[first] + np.float32(1e-3)
    save_file(tensors, weights, metadata={"format": "pt"})


def _reprompt(world: World) -> None:
    prompts = world.folder / "prompts.jsonl"
    first, *others = prompts.read_text(encoding="utf-8").splitlines()
    changed = json.dumps(json.loads(first) | {"template": "a {subject} on another beach"})
    prompts.write_text("\n".join([changed, *others]) + "\n", encoding="utf-8")


def _touch(world: World) -> None:
    for path in world.folder.rglob("*"):
        os.utime(path, (1, 1))


def _write_again(world: World) -> None:
    for path in [path for path in world.folder.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)


def _edited(edit: Callable[[World], None], expected: frozenset[str]) -> Change:
    def apply(world: World) -> World:
        edit(world)
        return world

    return Change(apply, expected)


def _set(setting: str, expected: frozenset[str]) -> Change:
    return Change(lambda world: world.with_settings(setting), expected)


HELD_OUT = frozenset({"ingest holdout", "cache holdout"})
_VAE = "model/vae/diffusion_pytorch_model.safetensors"

FILES: Mapping[str, Change] = MappingProxyType(
    {
        # Held-out pictures are checked against those that are trained on.
        "a training picture": _edited(
            lambda world: _repaint(world, "train"), LEARNED | HELD_OUT | {"ingest train", "cache train"}
        ),
        "a training caption": _edited(
            lambda world: _reword(world, "train"), LEARNED | {"ingest train", "cache train"}
        ),
        "a held-out picture": _edited(lambda world: _repaint(world, "holdout"), LEARNED | HELD_OUT),
        "an evaluation picture": _edited(
            lambda world: _repaint(world, "evaluation"), INVERTED | {"ingest evaluation", "cache evaluation"}
        ),
        "an evaluation caption": _edited(
            lambda world: _reword(world, "evaluation"), INVERTED | {"ingest evaluation", "cache evaluation"}
        ),
        "the VAE": _edited(lambda world: _nudge(world, _VAE), ALL - INGESTED),
        "the text encoder": _edited(
            lambda world: _nudge(world, "model/text_encoder/model.safetensors"), ALL - INGESTED
        ),
        "a prompt": _edited(_reprompt, frozenset({"sample base", "sample tuned", "evaluate all"})),
        "the identity encoder": _edited(
            lambda world: _nudge(world, "vit/model.safetensors"), frozenset({"evaluate all"})
        ),
    }
)
_PROMPT = "subject.instance_prompt=a photo of {identifier} {class_noun}"
SETTINGS: Mapping[str, Change] = MappingProxyType(
    {
        setting: _set(setting, expected)
        for setting, expected in (
            ("base.precision=bfloat16", CLASS | LEARNED | INVERTED | FROM_NOISE),
            ("seed=1", CLASS | LEARNED | FROM_NOISE),
            ("ingest.resolution=24", INGESTED | LATENTS | LEARNED | INVERTED),
            (_PROMPT, LEARNED | {"cache train", "cache holdout"}),
            ("subject.class_prompt=a photo of a {class_noun}", CLASS | LEARNED | {"sample base class"}),
            ("prior.num_images=4", CLASS | LEARNED),
            ("train.learning_rate=0.01", LEARNED),
            ("train.train_text_encoder=false", LEARNED),
            ("train.unet_layers=attention", LEARNED),
            ("invert.steps=4", INVERTED),
            ("sample.guidance=5", FROM_NOISE | {"evaluate all"}),
            ("sample.class_images=4", frozenset({"sample base class", "sample tuned class", "evaluate all"})),
            ("evaluate.confidence=0.9", frozenset({"evaluate all"})),
        )
    }
)
HARMLESS: Mapping[str, Change] = MappingProxyType(
    {
        "times of all files": _edited(_touch, NOTHING),
        "all files written again": _edited(_write_again, NOTHING),
        "names of all folders": Change(
            lambda world: world.renamed("train", "holdout", "evaluation", "model"), NOTHING
        ),
        **{
            setting: _set(setting, NOTHING)
            for setting in (
                "base.device=cuda:3",
                "on_bad_item=skip",
                "subject.name=another",
                "ingest.min_pictures=1",
                "ingest.allow_rejects=true",
                "cache.batch_size=1",
                "cache.shard_rows=1",
                "prior.batch_size=1",
                "train.checkpoint_every=1",
                "train.gradient_checkpointing=true",
                "invert.batch_size=1",
                "sample.batch_size=1",
                "evaluate.batch_size=1",
                "record.contact_sheet_columns=3",
                "gate.max_lost=0.5",
            )
        },
    }
)
GROUPS: Mapping[str, Mapping[str, Change]] = MappingProxyType(
    {"files": FILES, "settings": SETTINGS, "what changes no result": HARMLESS}
)
