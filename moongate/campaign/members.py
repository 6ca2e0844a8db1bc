"""The runs of a campaign before they are run: their names and settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from moongate.config import RunConfig
from moongate.errors import ConfigError, InputError, MoongateError
from moongate.overrides import overlaid, settings_in, with_overrides
from moongate.report.verdict import NO_REAL_PICTURES
from moongate.subject import subject_overrides

SUBJECT_FILE = "subject.toml"
NAMED = 3
_CLASS_NOUN = "subject.class_noun"


@dataclass(frozen=True)
class Member:
    """One run of a campaign.

    Attributes:
        name: what tables call it: the subject, or the settings that differ.
        overrides: the settings that tell it from the others.
        config: its settings; or what is wrong with them, which costs this run and no other.
    """

    name: str
    overrides: tuple[str, ...]
    config: RunConfig | MoongateError


def subject_members(folder: Path, config: RunConfig, overrides: Sequence[str] = ()) -> tuple[Member, ...]:
    """Return one member for each sub-folder, by name.

    A sub-folder holds pictures and `metadata.jsonl`, or `train/` and `holdout/` with them; and `subject.toml`
    with what is particular to this subject, in the form of a preset: at least its class noun.

    Args:
        folder: where the subjects lie; hidden sub-folders are passed over.
        config: the settings of all members; a subject's own are laid over them.
        overrides: settings such as `train.steps=10`, which win over a subject's own.

    Raises:
        InputError: when there is no such folder, or no sub-folder in it.
    """
    found = sorted(path for path in _folders(folder) if not path.name.startswith("."))
    if not found:
        raise InputError(
            "there are no subjects",
            where=str(folder),
            why="every sub-folder is a subject, and this folder has none",
            fix="name the folder above your subjects' folders",
        )
    return tuple(Member(path.name, (), _settings_of(path, config, overrides)) for path in found)


def setting_members(
    config: RunConfig, settings: Sequence[tuple[str, ...]], seed: int | None = None
) -> tuple[Member, ...]:
    """Return one member for each combination of overrides; with `seed`, all of them with that one.

    Raises:
        ConfigError: when a combination is not valid, or two of them are the same settings; nothing of a sweep
            runs before all of it can.
    """
    seeded = () if seed is None else (f"seed={seed}",)
    names: dict[str, str] = {}
    members = []
    for overrides in settings:
        name, here = " ".join(overrides) or "as given", with_overrides(config, [*overrides, *seeded])
        if (twin := names.setdefault(here.model_dump_json(), name)) != name:
            raise ConfigError(
                "two settings of a sweep are the same",
                where=f"{twin} and {name}",
                why="their values are equal however they are written, so one run would count twice",
                fix="name each value once",
            )
        members.append(Member(name, overrides, here))
    return tuple(members)


def second_seed(config: RunConfig, confirm_seed: int | None) -> int:
    """Return the seed that is to confirm what a sweep recommends: the one that is named, else the next.

    Raises:
        ConfigError: when it is the seed of the sweep's own runs.
    """
    seed = config.seed + 1 if confirm_seed is None else confirm_seed
    if seed == config.seed:
        raise ConfigError(
            "a seed cannot confirm itself",
            where=f"confirm_seed = {seed}",
            why="it is the seed of the sweep's own runs, which would be found in the store",
            fix="name another one, or none for the next",
        )
    return seed


def warning_of(members: Sequence[Member]) -> str:
    """Return what to know before hours of work: who has no held-out pictures; empty when all have them."""
    usable = [(one.name, one.config) for one in members if isinstance(one.config, RunConfig)]
    without = [name for name, config in usable if not config.subject.holdout_folder]
    if not without:
        return ""
    named = " and ".join(without) if len(without) <= NAMED else f"{without[0]} and {len(without) - 1} others"
    who = "no result" if len(without) == len(usable) else f"no result of {named}"
    return f"{who} can be called good: {NO_REAL_PICTURES}"


def _folders(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise InputError(
            "there is no folder of subjects",
            where=str(folder),
            why="it does not exist" if not folder.exists() else "it is a file",
            fix="name the folder above your subjects' folders, such as datasets/subjects",
        )
    return (path for path in folder.iterdir() if path.is_dir())


def _settings_of(folder: Path, config: RunConfig, overrides: Sequence[str]) -> RunConfig | MoongateError:
    file = folder / SUBJECT_FILE
    try:
        own = settings_in(file) if file.is_file() else ()
        if _CLASS_NOUN not in {*own, *(override.partition("=")[0].strip() for override in overrides)}:
            raise _no_class_noun(file)
        here = with_overrides(config, [*subject_overrides(folder)])
        return overlaid(here, file, overrides) if own else with_overrides(here, overrides)
    except MoongateError as error:
        return error


def _no_class_noun(file: Path) -> ConfigError:
    return ConfigError(
        "nothing says what kind of thing the subject is",
        where=str(file),
        why=f"DreamBooth starts from the class noun, and {_CLASS_NOUN} is not set there",
        fix='write into that file: [subject] and, on the next line, class_noun = "dog"',
    )
