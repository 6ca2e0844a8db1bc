"""Prompt sets: `*.jsonl` files, one prompt template a line, and the phrases that stand for the subject."""

from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from moongate.errors import InputError
from moongate.subject import SubjectConfig

Kind = Literal["recontextualization", "accessory", "property", "class", "inversion"]

CLASS: Kind = "class"
INVERSION: Kind = "inversion"
SUBJECT = "{subject}"
_DRAWN_BY_THEMSELVES = (CLASS, INVERSION)
TRUTH_COLUMNS = ("object", "colour", "scene", "accessory", "relation", "pattern", "size")


@dataclass(frozen=True)
class PromptRow:
    """One prompt of a set.

    Attributes:
        prompt_id: names the prompt within its set, and keys the noise of its pictures.
        template: the prompt with `{subject}` where the subject is named; articles are part of it. A prompt of
            kind "class" may name the class outright.
        kind: what the prompt tries.
        object, colour, scene, accessory, relation, pattern, size: what a right picture shows, in the toybox's
            words; None where the prompt leaves it open.

    Raises:
        ValueError: when the id is empty, or the template lacks `{subject}` or has other placeholders.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    prompt_id: str
    template: str
    kind: Kind
    object: str | None = None
    colour: str | None = None
    scene: str | None = None
    accessory: str | None = None
    relation: str | None = None
    pattern: str | None = None
    size: str | None = None

    def __post_init__(self) -> None:
        if not self.prompt_id.strip():
            raise ValueError("prompt_id is empty")
        if not self.template.strip():
            raise ValueError("template is empty")
        names = [name for _, name, _, _ in Formatter().parse(self.template) if name is not None]
        if unknown := sorted(set(names) - {"subject"}):
            raise ValueError(f"template uses {unknown}; the only placeholder is {SUBJECT}")
        if not names and self.kind not in (CLASS, INVERSION):
            raise ValueError(f"template {self.template!r} does not say {SUBJECT}")

    def text(self, subject: str) -> str:
        """Return the prompt with `subject`, such as "sks duck", put in."""
        return self.template.replace(SUBJECT, subject)


_LINE = TypeAdapter(PromptRow)


def read_prompts(path: Path) -> tuple[PromptRow, ...]:
    """Return the prompts of a set in the order of its lines. Blank lines are passed over.

    Raises:
        InputError: when the file is missing, empty or not UTF-8, or a line is not a prompt; every bad line is
            named with its number.
    """
    numbered = [(number, line) for number, line in enumerate(_lines(path), start=1) if line.strip()]
    if not numbered:
        raise _unreadable(path, "it holds no prompt")
    rows: list[PromptRow] = []
    faults: list[str] = []
    first_line: dict[str, int] = {}
    for number, line in numbered:
        try:
            row = _LINE.validate_json(line)
        except ValidationError as error:
            faults.append(f"line {number}: {_complaint(error)}")
            continue
        if row.kind in _DRAWN_BY_THEMSELVES:
            faults.append(
                f"line {number}: kind {row.kind!r} is not for prompt sets: such pictures are drawn by "
                "themselves, and would count as pictures of the subject here"
            )
        if (earlier := first_line.setdefault(row.prompt_id, number)) != number:
            faults.append(f"line {number}: line {earlier} has the prompt_id {row.prompt_id!r} already")
        rows.append(row)
    if faults:
        raise _unreadable(path, "".join(f"\n    {fault}" for fault in faults))
    return tuple(rows)


def prompts_file(pattern: str, subject: SubjectConfig) -> Path:
    """Return the file of `SampleConfig.prompts`, its `{class_noun}` filled in."""
    return Path(pattern.format(class_noun=subject.class_noun))


def class_prompt(subject: SubjectConfig) -> PromptRow:
    """Return the prompt of plain class pictures, which never names the subject."""
    return PromptRow(CLASS, subject.class_text(), CLASS, object=subject.class_noun)


def class_phrase(subject: SubjectConfig) -> str:
    """Return what the base model calls the subject: "duck"."""
    return subject.class_noun


def identifier_phrase(subject: SubjectConfig) -> str:
    """Return what the tuned model calls the subject: "sks duck"."""
    return f"{subject.identifier} {subject.class_noun}"


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise _unreadable(path, "there is no such file") from None
    try:
        return content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"line {line} is not UTF-8 (byte 0x{content[error.start]:02x})") from error


def _complaint(error: ValidationError) -> str:
    parts = ((".".join(str(place) for place in fault["loc"]), fault["msg"]) for fault in error.errors())
    return "; ".join(f"{place}: {message}" if place else message for place, message in parts)


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"the prompt set {path.name} cannot be used",
        where=str(path),
        why=why,
        fix='write one line per prompt: {"prompt_id": "snow", "template": "a {subject} in the snow",'
        f' "kind": "recontextualization"}}; further columns: {", ".join(TRUTH_COLUMNS)}',
    )
