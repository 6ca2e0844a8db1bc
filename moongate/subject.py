"""The subject of a run: its pictures, and how prompts speak of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from moongate.errors import InputError
from moongate.settings import Settings, check_placeholders

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class SubjectConfig(Settings):
    """The one thing to be learned, its pictures, and how prompts speak of it."""

    name: str = Field(
        "bolt_duck", description="Name of the subject in tables and reports: letters, digits, _ and -."
    )
    folder: str = Field(
        "datasets/subjects/bolt_duck/train",
        description="Folder with the training pictures and metadata.jsonl.",
    )
    holdout_folder: str | None = Field(
        "datasets/subjects/bolt_duck/holdout",
        description="Folder with pictures of the same thing kept from training, for validation and judging.",
    )
    class_noun: str = Field("duck", description="What kind of thing it is, as the base model would say it.")
    identifier: str = Field("sks", description="The rare word that comes to mean this one thing.")
    instance_prompt: str = Field(
        "a {identifier} {class_noun}",
        description="Training prompt. Placeholders: {identifier}, {class_noun}, and {caption}: the picture's"
        " caption with the identifier put before the class noun.",
    )
    class_prompt: str = Field(
        "a {class_noun}", description="Prompt of the prior pictures. Placeholder: {class_noun}."
    )

    @field_validator("name", "identifier")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if not _WORD.fullmatch(value):
            raise ValueError(f"{value!r} is not one word of letters, digits, _ and -")
        return value

    @field_validator("class_noun")
    @classmethod
    def _is_not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the class noun is empty; DreamBooth needs the kind of thing the subject is")
        return value

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Self:
        check_placeholders(self.instance_prompt, {"identifier", "class_noun", "caption"})
        check_placeholders(self.class_prompt, {"class_noun"})
        return self

    def instance_text(self, caption: str) -> str:
        """Return the training prompt of a picture with this caption.

        Raises:
            InputError: when the prompt uses {caption} and the class noun is not a word of the caption.
        """
        uses_caption = "{caption}" in self.instance_prompt
        named = self.name_in(caption) if uses_caption else ""
        return self.instance_prompt.format(
            identifier=self.identifier, class_noun=self.class_noun, caption=named
        )

    def class_text(self) -> str:
        """Return the prompt of the prior pictures."""
        return self.class_prompt.format(class_noun=self.class_noun)

    def name_in(self, caption: str) -> str:
        """Return the caption with the identifier put before the first mention of the class noun.

        Raises:
            InputError: when the class noun is not a word of the caption.
        """
        mention = re.compile(rf"\b{re.escape(self.class_noun)}\b", re.IGNORECASE)
        named, found = mention.subn(lambda match: f"{self.identifier} {match[0]}", caption, count=1)
        if not found:
            raise InputError(
                f"the caption does not mention the class noun {self.class_noun!r}",
                where=f"caption {caption!r} of subject {self.name}",
                why="the training prompt uses {caption}, where the identifier goes before the class noun",
                fix="mention the class noun in every caption, or leave {caption} out of instance_prompt",
            )
        return named


def subject_overrides(folder: Path) -> Iterator[str]:
    """Yield the settings that a subject's folder stands for: its name, and where its pictures are."""
    pictures, holdout = subject_folders(folder)
    yield f"subject.name={subject_name(folder)}"
    yield f"subject.folder={pictures}"
    yield f"subject.holdout_folder={holdout or 'none'}"
    if holdout is None:
        # There is nothing to choose a step by; the resolved settings say so, and an override can differ.
        yield "train.selection=last"


def subject_folders(folder: Path) -> tuple[Path, Path | None]:
    """Return the folders of training and held-out pictures: its `train` and `holdout`, or itself and none."""
    if not (folder / "train").is_dir():
        return folder, None
    holdout = folder / "holdout"
    return folder / "train", holdout if holdout.is_dir() else None


def subject_name(folder: Path) -> str:
    """Return a name for the subject in a folder: the folder's, with - for what a name cannot hold."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-_") or "subject"
