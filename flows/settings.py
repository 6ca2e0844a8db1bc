"""From what was typed to a `RunConfig`, and from a `RunConfig` to TOML that can be typed back."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from moongate.artifacts.differences import leaves
from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.overrides import load_config, with_overrides
from moongate.subject import subject_overrides
from moongate.toybox.pretraining.config import PretrainConfig

__all__ = ["Choices", "as_toml", "changed_settings", "pretrain_config", "with_overrides"]


@dataclass(frozen=True)
class Choices:
    """The settings options of the command line, as typed. `overrides` come last and win."""

    preset: str | None = None
    subject: Path | None = None
    class_noun: str | None = None
    identifier: str | None = None
    base: str | None = None
    overrides: tuple[str, ...] = ()

    def resolve(self) -> RunConfig:
        """Return the settings of the run.

        Raises:
            ConfigError: when a setting is unknown or not valid, or a subject comes without its class noun.
        """
        overrides = [*self._subject(), *self._words(), *self._base(), *self.overrides]
        return load_config(self.preset, overrides)

    def _subject(self) -> Iterator[str]:
        if self.subject is None:
            return
        if self.class_noun is None:
            raise ConfigError(
                "the class noun is missing",
                where="--class-noun",
                why=f"DreamBooth starts from the kind of thing, and nothing says what {self.subject} shows",
                fix="say what it is: --class-noun dog",
            )
        yield from subject_overrides(self.subject)

    def _words(self) -> Iterator[str]:
        if self.class_noun is not None:
            yield f"subject.class_noun={self.class_noun}"
        if self.identifier is not None:
            yield f"subject.identifier={self.identifier}"

    def _base(self) -> Iterator[str]:
        if self.base is None:
            return
        model, revision = split_base(self.base)
        yield f"base.model={model}"
        yield f"base.revision={revision or 'none'}"


def split_base(base: str) -> tuple[str, str | None]:
    """Return model and revision of `<folder or hub id>[@<revision>]`; a folder may have an @ in its name."""
    if Path(base).is_dir():
        return base, None
    model, at, revision = base.rpartition("@")
    return (model, revision) if at else (base, None)


def as_toml(config: RunConfig) -> str:
    """Return the settings as a TOML preset, each with its description; `load_config` gives them back."""
    lines = [*_table(config.model_dump(mode="json"), _descriptions(config))]
    for name in type(config).model_fields:
        section = getattr(config, name)
        if hasattr(section, "model_dump"):
            lines += ["", f"[{name}]", *_table(section.model_dump(mode="json"), _descriptions(section))]
    return "\n".join(lines) + "\n"


def changed_settings(config: RunConfig) -> str:
    """Return the settings that are not the defaults, a line each."""
    usual = dict(leaves(RunConfig().model_dump(mode="json")))
    chosen = leaves(config.model_dump(mode="json"))
    return "".join(f"{name} = {_literal(value)}\n" for name, value in chosen if usual.get(name) != value)


def _descriptions(model: object) -> dict[str, str]:
    return {name: field.description or "" for name, field in type(model).model_fields.items()}  # type: ignore[attr-defined]


def _table(values: dict[str, object], descriptions: dict[str, str]) -> Iterator[str]:
    for name, value in values.items():
        if not isinstance(value, dict):
            yield f"# {descriptions[name]}"
            yield f"{name} = {_literal(value)}"


def _literal(value: object) -> str:
    # TOML has no null; presets read this word as one. JSON's other literals are TOML's too.
    return json.dumps("none" if value is None else value, ensure_ascii=False)


def pretrain_config(overrides: Sequence[str]) -> PretrainConfig:
    """Return the settings of a pretraining.

    Raises:
        ConfigError: when a setting is unknown or not valid.
    """
    return with_overrides(PretrainConfig(), overrides)
