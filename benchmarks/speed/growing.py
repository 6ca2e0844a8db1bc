"""Pieces of work of a given extent, each run once in a fresh process."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.performing import Direct
from benchmarks.speed.commands import command
from benchmarks.speed.racing import Done, Portion
from flows.ingredients import Ingredients
from moongate.artifacts.refs import ImageSetRef, LatentSetRef
from moongate.artifacts.store import Store
from moongate.config import RunConfig, TrainConfig
from moongate.models.source import BaseSource
from moongate.overrides import load_config
from moongate.prompts import PromptRow
from moongate.stages.context import StageContext
from moongate.stages.evaluate import EvaluateInputs
from moongate.stages.sample import SampleInputs
from moongate.stages.train import TrainInputs


def images_taken_in(base: BaseSource, device: str, scratch: Path, count: int) -> Portion:
    """Return what ingests and encodes `count` different pictures."""
    from tasks.cache import cache
    from tasks.ingest import ingest

    _warm(device)
    folder = _written(scratch / "pictures", base.resolution(), count)
    config = _config(base, f"ingest.evaluation_folder={folder}")
    given = Ingredients(config, base)
    perform = Direct(StageContext(Store(scratch / "store"), device=device))

    def portion() -> Done:
        taken = perform(ingest, "evaluation", *given.captioned_folder(str(folder)))
        perform(cache, "evaluation", *given.captioned(taken))
        return Done(count)

    return portion


def pictures_drawn(base: BaseSource, device: str, scratch: Path, count: int, steps: int) -> Portion:
    """Return what draws `count` pictures of `steps` steps by the sample stage."""
    from tasks.sample import sample

    _warm(device)
    config = _config(base, f"sample.steps={steps}", "sample.seeds_per_prompt=1")
    how = (base, config.base.precision, config.subject, config.seed, _prompts(count))
    perform = Direct(StageContext(Store(scratch / "store"), device=device))

    def portion() -> Done:
        perform(sample, "base", config.sample, SampleInputs(*how))
        return Done(count, unet_evals=count * steps * 2)

    return portion


@dataclass(frozen=True)
class Prepared:
    """Artifacts that training and what comes after it begin with, as addresses in a store.

    Attributes:
        store: where they are.
        pictures: of the subject.
        latents: of those pictures.
        prior: latents of the class.
    """

    store: Path
    pictures: str
    latents: str
    prior: str

    def training(self, base: BaseSource, config: RunConfig) -> tuple[TrainConfig, TrainInputs]:
        """Return settings and inputs of a training."""
        instance, prior = LatentSetRef(self.latents), LatentSetRef(self.prior)
        subject = config.subject
        how = (base, config.base.precision, subject.identifier, subject.class_noun, config.seed)
        return config.train, TrainInputs(*how, instance, prior, None)


def steps_trained(base: BaseSource, device: str, scratch: Path, prepared: Prepared, count: int) -> Portion:
    """Return what trains for `count` steps by the train stage, with its last checkpoint and the adapter."""
    from tasks.train import train

    _warm(device)
    given = prepared.training(base, _config(base, f"train.steps={count}"))
    perform = Direct(StageContext(Store(prepared.store), device=device))

    def portion() -> Done:
        perform(train, "tuned", *given)
        return Done(count, unet_evals=count * given[0].batch_size * 2)

    return portion


def pictures_evaluated(
    base: BaseSource, device: str, scratch: Path, prepared: Prepared, count: int
) -> Portion:
    """Return what evaluates `count` pictures of each model; they are drawn before, in one step each."""
    from tasks.evaluate import evaluate
    from tasks.sample import sample
    from tasks.train import train

    _warm(device)
    config = _config(base, "train.steps=1", "sample.steps=1", "sample.seeds_per_prompt=1")
    perform = Direct(StageContext(Store(prepared.store), device=device))
    adapter = perform(train, "tuned", *prepared.training(base, config))
    how = (base, config.base.precision, config.subject, config.seed, _prompts(count))
    tuned, drawn = (
        perform(sample, role, config.sample, SampleInputs(*how, by))
        for role, by in (("tuned", adapter), ("base", None))
    )
    pictures = ImageSetRef(prepared.pictures)
    inputs = EvaluateInputs(base, config.subject.class_noun, pictures, tuned, drawn)

    def portion() -> Done:
        perform(evaluate, "all", config.evaluate, inputs)
        return Done(2 * count)

    return portion


def subjects_learned(scratch: Path, settings: tuple[str, ...], subjects: tuple[Path, ...]) -> Portion:
    """Return what runs `moongate batch` over copies of the folders of some subjects, in an empty store."""
    folder = scratch / "subjects"
    folder.mkdir(parents=True)
    for subject in subjects:
        shutil.copytree(subject, folder / subject.name)
    words = ["-m", "flows.cli", "batch", str(folder), "--quiet"]
    words += [word for setting in settings for word in ("--set", setting)]
    return command(words, {"MOONGATE_HOME": str(scratch / "store")})


def _config(base: BaseSource, *settings: str) -> RunConfig:
    return load_config(None, [f"base.model={base.folder}", "train.selection=last", *settings])


def _prompts(count: int) -> tuple[PromptRow, ...]:
    return tuple(PromptRow(f"p{n}", "a {subject}", "recontextualization") for n in range(count))


def _warm(device: str) -> None:
    """Import what the first stage would otherwise import within the measured time."""
    import torch

    import moongate.models.stage_model
    import moongate.sampling.sample_sets
    import moongate.training.fit  # noqa: F401

    torch.zeros(1, device=device)


def _written(folder: Path, side: int, count: int) -> Path:
    """Write an imagefolder of different pictures with captions."""
    from PIL import Image

    folder.mkdir(parents=True)
    generator, lines = np.random.Generator(np.random.PCG64(0)), []
    for number in range(count):
        # Blocks and not pixels of noise, so that a picture's file is of an ordinary size.
        blocks = generator.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((side, side)).save(folder / f"{number:06d}.png")
        lines.append(json.dumps({"file_name": f"{number:06d}.png", "text": "a duck"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
