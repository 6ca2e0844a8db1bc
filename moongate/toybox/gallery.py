"""The pictures and prompts under `datasets/`; `python -m moongate.toybox.gallery` draws them anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from moongate.toybox.captions import full_caption
from moongate.toybox.instances import SUBJECTS, Instance
from moongate.toybox.renderer import render
from moongate.toybox.vocabulary import (
    ACCESSORY_COLOURS,
    ACCESSORY_KINDS,
    RELATION_PHRASES,
    SCENE_PHRASES,
    SCENES,
    Accessory,
    Render,
    SceneSpec,
)
from moongate.toybox.worlds import sample_spec

TRAINING_VIEWS = (
    ("meadow", "normal"),
    ("beach", "giant"),
    ("snow", "normal"),
    ("city", "normal"),
    ("night", "giant"),
)
HELD_OUT_VIEWS = (
    ("desert", "normal"),
    ("forest", "giant"),
    ("kitchen", "normal"),
    ("underwater", "normal"),
    ("mountains", "giant"),
)
EVALUATION_PICTURES = 100
EVALUATION_FROM = 2_000_000
SUBJECT_FROM = 3_000_000
# The subjects that can wear something, as DreamBench separates live subjects from objects.
WEARERS = ("duck", "cat", "robot")


@dataclass(frozen=True)
class Prompt:
    """One line of a prompt set; what it asks for is given as words of the vocabulary, absent ones as None."""

    prompt_id: str
    template: str
    kind: str
    scene: str | None = None
    relation: str | None = None
    accessory: str | None = None
    colour: str | None = None
    pattern: str | None = None
    size: str | None = None


def write_gallery(root: Path) -> None:
    """Write `subjects/`, `evaluation/` and `prompts/` under `root`."""
    for number, instance in enumerate(SUBJECTS.values()):
        folder = root / "subjects" / instance.name
        first = SUBJECT_FROM + 100 * number
        _write_pictures(folder / "train", _views(instance, TRAINING_VIEWS, first))
        _write_pictures(folder / "holdout", _views(instance, HELD_OUT_VIEWS, first + 50))
        (folder / "subject.toml").write_text(_subject_settings(instance.class_noun), encoding="utf-8")
    pictures = [render(sample_spec(seed), seed) for seed in _seeds(EVALUATION_FROM, EVALUATION_PICTURES)]
    _write_pictures(root / "evaluation" / "images", pictures)
    _write_masks(root / "evaluation" / "masks", pictures)
    _write_lines(root / "prompts" / "live.jsonl", map(_prompt_row, live_prompts()))
    _write_lines(root / "prompts" / "object.jsonl", map(_prompt_row, object_prompts()))


def _subject_settings(class_noun: str) -> str:
    return f"""# What is particular to this subject: settings in the form of a preset.
[subject]
class_noun = "{class_noun}"

[sample]
prompts = "datasets/prompts/{prompt_set_of(class_noun)}.jsonl"
"""


def live_prompts() -> list[Prompt]:
    """Return 10 recontextualizations, 10 accessories, 5 property changes: DreamBench's live subjects."""
    worn = [Accessory(kind, colour) for kind in ACCESSORY_KINDS for colour in ACCESSORY_COLOURS]
    accessories = [_accessory(item, None) for item in worn]
    accessories += [_accessory(worn[0], "snow"), _accessory(worn[-1], "city")]
    return [*_scene_prompts(), *accessories, *_property_prompts()]


def object_prompts() -> list[Prompt]:
    """Return 20 recontextualizations and 5 property modifications (DreamBench's objects)."""
    places = [("tree", None), ("lamp", None), ("rainbow", None), ("tree", "snow"), ("lamp", "city")]
    places += [
        ("rainbow", "meadow"),
        ("tree", "desert"),
        ("lamp", "beach"),
        ("rainbow", "mountains"),
        ("lamp", "night"),
    ]
    return [*_scene_prompts(), *(_relation(*place) for place in places), *_property_prompts()]


def _scene_prompts() -> list[Prompt]:
    return [
        Prompt(f"scene-{scene}", f"a {{subject}} {SCENE_PHRASES[scene]}", "recontextualization", scene=scene)
        for scene in SCENES
    ]


def _relation(relation: str, scene: str | None) -> Prompt:
    place = f"{SCENE_PHRASES[scene]} " if scene else ""
    template = f"a {{subject}} {place}{RELATION_PHRASES[relation]}"
    name = f"relation-{relation}-{scene}" if scene else f"relation-{relation}"
    return Prompt(name, template, "recontextualization", scene=scene, relation=relation)


def _accessory(item: Accessory, scene: str | None) -> Prompt:
    place = f" {SCENE_PHRASES[scene]}" if scene else ""
    name = f"accessory-{item.colour}-{item.kind}" + (f"-{scene}" if scene else "")
    return Prompt(
        name, f"a {{subject}} {item.phrase}{place}", "accessory", scene=scene, accessory=item.phrase
    )


def _property_prompts() -> list[Prompt]:
    return [
        Prompt("property-red", "a red {subject}", "property", colour="red"),
        Prompt("property-purple", "a purple {subject}", "property", colour="purple"),
        Prompt("property-striped", "a striped {subject}", "property", pattern="striped"),
        Prompt("property-tiny", "a tiny {subject}", "property", size="tiny"),
        Prompt("property-giant", "a giant {subject}", "property", size="giant"),
    ]


def prompt_set_of(class_noun: str) -> str:
    """Return the name of the prompt set that fits a class."""
    return "live" if class_noun in WEARERS else "object"


def _views(instance: Instance, views: Iterable[tuple[str, str]], first_seed: int) -> list[Render]:
    return [
        render(instance.spec(scene, size=size), seed) for seed, (scene, size) in enumerate(views, first_seed)
    ]


def _seeds(first: int, count: int) -> range:
    return range(first, first + count)


def _write_pictures(folder: Path, pictures: list[Render]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.image).save(folder / _file_name(number), optimize=True)
    _write_lines(folder / "metadata.jsonl", (_picture_row(n, p.spec) for n, p in enumerate(pictures)))


def _write_masks(folder: Path, pictures: list[Render]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.mask).save(folder / _file_name(number), optimize=True)


def _file_name(number: int) -> str:
    return f"{number:04d}.png"


def _picture_row(number: int, spec: SceneSpec) -> Mapping[str, str | None]:
    return {
        "file_name": _file_name(number),
        "text": full_caption(spec),
        "object": spec.object,
        "colour": spec.colour,
        "scene": spec.scene,
    }


def _prompt_row(prompt: Prompt) -> Mapping[str, str]:
    return {name: value for name, value in vars(prompt).items() if value is not None}


def _write_lines(path: Path, rows: Iterable[Mapping[str, str | None]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    write_gallery(Path(sys.argv[1] if len(sys.argv) > 1 else "datasets"))
