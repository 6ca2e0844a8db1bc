"""From a preset, a TOML file and `dotted.key=value` overrides to one `RunConfig`."""

import tomllib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from moongate.config import RunConfig
from moongate.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
_PRESETS = files("moongate") / "presets"


def load_config(preset: str | None = None, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the run's settings: the defaults, then the preset, then the overrides in order.

    In both, `none` stands for no value where a setting allows that.

    Args:
        preset: the name of a bundled preset, or the path of a TOML file (ending in `.toml`); None for none.
        overrides: settings such as `train.steps=10`.

    Raises:
        ConfigError: when the preset, a key or a value is not valid; every bad value is listed.
    """
    chosen = _read_preset(preset) if preset else {}
    for key, value in list(_leaves(chosen)):
        _check_key(key, RunConfig, where=f"preset {preset}")
        if _is_none(value, _annotation(key, RunConfig)):
            _assign(chosen, key, None)
    return _validated(RunConfig, chosen, overrides, where=f"preset {preset or '(none)'}")


def overlaid(config: RunConfig, file: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Return settings with those of a TOML file laid over them, and overrides over both.

    Raises:
        ConfigError: when the file is missing or not TOML, or a key or a value is not valid.
    """
    over = _read_preset(str(file))
    tree = config.model_dump()
    for key, value in _leaves(over):
        _check_key(key, RunConfig, where=str(file))
        _assign(tree, key, None if _is_none(value, _annotation(key, RunConfig)) else value)
    return _validated(RunConfig, tree, overrides, where=str(file))


def settings_in(file: Path) -> tuple[str, ...]:
    """Return the dotted keys that a TOML file sets.

    Raises:
        ConfigError: when it is missing or not TOML.
    """
    return tuple(key for key, _ in _leaves(_read_preset(str(file))))


def with_overrides(settings: M, overrides: Sequence[str]) -> M:
    """Return settings with some of them changed; whatever is not overridden stays as it is.

    Raises:
        ConfigError: when a key or a value is not valid; every bad value is listed.
    """
    return _validated(type(settings), settings.model_dump(), overrides, where="the given settings")


def preset_names() -> tuple[str, ...]:
    """Return the names of the bundled presets, sorted."""
    names = (entry.name for entry in _PRESETS.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def setting_names(model: type[BaseModel] = RunConfig) -> tuple[str, ...]:
    """Return every dotted key that an override or a preset may set, in the order of the models."""
    return tuple(_settings_of(model, ""))


def _validated(model: type[M], chosen: dict[str, Any], overrides: Sequence[str], where: str) -> M:
    for override in overrides:
        key, value = _parse_override(override, model)
        _assign(chosen, key, value)
    try:
        return model.model_validate(chosen)
    except ValidationError as error:
        raise _invalid(error, where, overrides) from error


def _settings_of(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings_of(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _read_preset(preset: str) -> dict[str, Any]:
    source = Path(preset) if preset.endswith(".toml") else _PRESETS / f"{preset}.toml"
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no preset {preset!r}",
            where=str(preset) if preset.endswith(".toml") else "the bundled presets",
            why=f"the bundled presets are {', '.join(preset_names())}",
            fix="name one of them, or the path of a TOML file that ends in .toml",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the preset {preset!r} is not valid TOML",
            where=str(preset),
            why=str(error),
            fix="correct the line; [train] opens a section and `steps = 10` sets a value",
        ) from error


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys and the values of a nested mapping."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _is_none(value: object, annotation: Any) -> bool:
    """Tell whether `value` is the word for no value, which TOML lacks, where no value is allowed."""
    return isinstance(value, str) and value.lower() == "none" and type(None) in get_args(annotation)


def _check_key(key: str, model: type[BaseModel], where: str) -> None:
    known = setting_names(model)
    if key in known:
        return
    near = get_close_matches(key, known, n=1, cutoff=0.0)[0]
    raise ConfigError(
        f"there is no setting {key!r}",
        where=where,
        why=f"the nearest setting is {near!r}",
        fix="correct the name; `moongate config` prints every setting",
    )


def _parse_override(override: str, model: type[BaseModel]) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals:
        raise ConfigError(
            f"the override {override!r} sets nothing",
            where="overrides",
            why="it has no = sign",
            fix="write it as key=value, for example train.steps=10",
        )
    _check_key(key, model, where=f"override {override}")
    return key, _parse_value(text.strip(), _annotation(key, model))


def _annotation(key: str, model: type[BaseModel]) -> Any:
    """Return the declared type of a setting."""
    *sections, name = key.split(".")
    for section in sections:
        model = model.model_fields[section].annotation  # type: ignore[assignment]
    return model.model_fields[name].annotation


def _parse_value(text: str, annotation: Any) -> Any:
    """Read a value as its setting's type wants it: words stay words, everything else is TOML."""
    if _is_none(text, annotation):
        return None
    # A commit of digits only, or a folder named 2024, must not turn into a number.
    if annotation is str or str in get_args(annotation):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _assign(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[name] = value


def _invalid(error: ValidationError, where: str, overrides: Sequence[str]) -> ConfigError:
    problems = [
        f"{'.'.join(str(part) for part in item['loc'])} = {item['input']!r}: {_plain(item['msg'])}"
        for item in error.errors()
    ]
    return ConfigError(
        "the settings are not valid" if len(problems) > 1 else "a setting is not valid",
        where=f"{where}, overrides: {' '.join(overrides) or '(none)'}",
        why="; ".join(problems),
        fix="correct the values; `moongate config` prints every setting",
    )


def _plain(message: str) -> str:
    """Return a validation message without the library's own lead-in."""
    return message.removeprefix("Value error, ")
