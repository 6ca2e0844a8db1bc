"""Everything that a run reads in one folder, so that it can be changed, moved and renamed."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from flows.performers import rehearse
from flows.personalize import chain
from moongate.config import RunConfig
from moongate.models.source import resolve_base
from moongate.overrides import load_config, with_overrides

_SUBJECT = Path("datasets/subjects/moon_cup")
_PICTURES = Path("datasets/evaluation/images")
_PROMPTS = Path("datasets/prompts/object.jsonl")
_WEIGHTS = Path("moongate/toybox/weights")


@dataclass(frozen=True)
class World:
    """A folder with `train`, `holdout`, `evaluation`, `model`, `vit`, `prompts.jsonl`; and its settings."""

    folder: Path
    config: RunConfig

    @classmethod
    def bundled(cls, folder: Path) -> "World":
        """Copy a bundled subject, the bundled models and a few evaluation pictures into an empty folder."""
        shutil.copytree(_SUBJECT / "train", folder / "train")
        shutil.copytree(_SUBJECT / "holdout", folder / "holdout")
        shutil.copytree(_PICTURES, folder / "evaluation")
        shutil.copytree(_WEIGHTS / "base", folder / "model")
        shutil.copytree(_WEIGHTS / "identity", folder / "vit")
        shutil.copy(_PROMPTS, folder / "prompts.jsonl")
        named = {
            "base.model": "model",
            "subject.folder": "train",
            "subject.holdout_folder": "holdout",
            "ingest.evaluation_folder": "evaluation",
            "sample.prompts": "prompts.jsonl",
            "evaluate.identity": "vit",
        }
        overrides = [f"{setting}={folder / name}" for setting, name in named.items()]
        return cls(
            folder, load_config(None, ["subject.class_noun=cup", "base.precision=float32", *overrides])
        )

    def with_settings(self, *overrides: str) -> "World":
        """Return the world under other settings."""
        return World(self.folder, with_overrides(self.config, overrides))

    def moved(self, folder: Path) -> "World":
        """Return a copy of the world at another place."""
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


def stale(before: dict[str, str], world: World) -> set[str]:
    """Return the stage instances whose address is not the one before.

    Raises:
        ValueError: when there are other instances than before.
    """
    after = world.addresses()
    if after.keys() != before.keys():
        raise ValueError(f"other stage instances than before: {sorted(after.keys() ^ before.keys())}")
    return {instance for instance, digest in after.items() if digest != before[instance]}
