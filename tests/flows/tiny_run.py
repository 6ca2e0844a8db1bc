"""Everything that a whole run needs, at the smallest size: pictures, prompts, extractors, and settings."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from moongate.config import RunConfig
from moongate.overrides import load_config
from tests.tiny_extractors import write_clip, write_vit

SIDE = 32
CAPTIONS = ("a red duck on the beach", "a blue duck in the snow", "a striped duck", "a photo of a duck")
TEMPLATES = ("a {subject} in the snow", "a red {subject}")
SETTINGS = (
    "ingest.min_side=16",
    "prior.num_images=3",
    "prior.steps=2",
    "train.steps=4",
    "train.validate_every=2",
    "train.checkpoint_every=2",
    "train.warmup_steps=1",
    "train.batch_size=2",
    "train.num_validation_draws=2",
    "invert.steps=3",
    "invert.num_images=2",
    "sample.steps=2",
    "sample.seeds_per_prompt=2",
    "sample.class_images=3",
    "evaluate.bootstrap_draws=100",
    "base.precision=float32",
    "base.device=cpu",
)


def write_pictures(folder: Path, seed: int) -> Path:
    """Write an imagefolder of noise pictures with captions."""
    folder.mkdir(parents=True)
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for number, caption in enumerate(CAPTIONS):
        pixels = generator.integers(0, 256, size=(SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(json.dumps({"file_name": f"{number}.png", "text": caption}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def write_prompts(path: Path) -> Path:
    """Write a prompt set."""
    rows = [
        {"prompt_id": f"p{number}", "template": template, "kind": "recontextualization"}
        for number, template in enumerate(TEMPLATES)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tiny_settings(folder: Path, base: Path) -> RunConfig:
    """Write what a run reads to `folder`, and return settings that take seconds."""
    return load_config(
        None,
        [
            f"base.model={base}",
            "subject.name=noise_duck",
            f"subject.folder={write_pictures(folder / 'train', 1)}",
            f"subject.holdout_folder={write_pictures(folder / 'holdout', 2)}",
            f"ingest.evaluation_folder={write_pictures(folder / 'evaluation', 3)}",
            f"sample.prompts={write_prompts(folder / 'prompts.jsonl')}",
            f"evaluate.identity={write_vit(folder / 'vit')}",
            f"evaluate.clip={write_clip(folder / 'clip')}",
            *SETTINGS,
        ],
    )
