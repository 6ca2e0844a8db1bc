"""`metadata.jsonl`, parsed by ourselves so that every complaint names its line.

Accepted: UTF-8 with or without a byte order mark, any line ending, blank lines, no final newline. A row is an
object with `file_name` (a relative path inside the folder) and `text` (the caption); other keys are kept.
"""

import codecs
import json
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from moongate.artifacts.digests import canonical_json
from moongate.errors import InputError
from moongate.imagefolder.verdicts import Verdict

METADATA_NAME = "metadata.jsonl"
MAX_CAPTION_CHARACTERS = 2000
# Columns like mask_file_name name further files of the folder, as in Hugging Face's imagefolder.
COMPANION_SUFFIX = "_file_name"

_URL_OR_DRIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FOREIGN_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


@dataclass(frozen=True)
class Row:
    """One sound line of `metadata.jsonl`.

    Attributes:
        line: its number, counted from 1.
        file_name: normalised POSIX path of the picture within the folder.
        text: the caption, as written.
        extra: the other columns as canonical JSON of an object.
        companions: normalised paths of the files that `*_file_name` columns name.
    """

    line: int
    file_name: str
    text: str
    extra: str
    companions: tuple[str, ...]


@dataclass(frozen=True)
class Metadata:
    """The sound rows of a `metadata.jsonl`, and a rejected verdict for each of the others."""

    rows: tuple[Row, ...]
    faults: tuple[Verdict, ...]


class _BadRowError(ValueError):
    """A line that is not a row; the message is the reason."""


def read_metadata(path: Path) -> Metadata:
    """Read `metadata.jsonl`.

    Raises:
        InputError: when the file is missing, is not UTF-8, or holds no line at all.
    """
    rows: list[Row] = []
    faults: list[Verdict] = []
    lines = [(number, text) for number, text in enumerate(_lines(path), start=1) if text.strip()]
    if not lines:
        raise _unreadable(path, "it is empty")
    for number, text in lines:
        try:
            rows.append(_parse_row(number, text))
        except _BadRowError as fault:
            faults.append(Verdict(METADATA_NAME, "rejected", str(fault), line=number))
    return Metadata(tuple(rows), tuple(faults))


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file") from None
    for mark, encoding in _FOREIGN_MARKS.items():
        if content.startswith(mark):
            raise _unreadable(path, f"it is {encoding}")
    try:
        # Only line feeds end a line: U+2028 and its kind may stand inside a JSON string.
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"line {line} is not UTF-8 (byte 0x{content[error.start]:02x})") from error


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"the captions in {path.parent.name}/{METADATA_NAME} cannot be read",
        where=str(path),
        why=why,
        fix='write one line per picture, in UTF-8: {"file_name": "one.png", "text": "a duck on a table"}',
    )


def _parse_row(line: int, text: str) -> Row:
    value = _decode(text)
    if not isinstance(value, dict):
        raise _BadRowError(f"not an object with file_name and text but {type(value).__name__}")
    extra = {key: item for key, item in value.items() if key not in ("file_name", "text")}
    companions = (
        _normalised_name(item, key) for key, item in extra.items() if key.endswith(COMPANION_SUFFIX)
    )
    return Row(
        line=line,
        file_name=_normalised_name(value.get("file_name"), "file_name"),
        text=_caption(value.get("text")),
        companions=tuple(companions),
        extra=canonical_json(extra),
    )


def _decode(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
        # JSON can spell numbers beyond float64 and half characters; neither can be stored.
        canonical_json(value).encode("utf-8")
    except _BadRowError:
        raise
    except json.JSONDecodeError as error:
        raise _BadRowError(f"not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _BadRowError(f"not JSON that can be kept: {error}") from error
    return value


def _normalised_name(value: object, key: str) -> str:
    """Return a relative POSIX path inside the folder, with `./` and backslashes resolved."""
    if not isinstance(value, str) or not value.strip():
        raise _BadRowError(f"{key} must be the path of a file, got {value!r}")
    if "\0" in value:
        raise _BadRowError(f"{key} holds a null character")
    if value.startswith(("/", "\\")) or _URL_OR_DRIVE.match(value):
        raise _BadRowError(f"{key} {value!r} is not a path relative to the folder")
    name = posixpath.normpath(value.replace("\\", "/"))
    if name in ("..", ".") or name.startswith("../"):
        raise _BadRowError(f"{key} {value!r} leads out of the folder")
    return name


def _caption(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _BadRowError(f"text must be a caption in words, got {value!r}")
    if len(value) > MAX_CAPTION_CHARACTERS:
        raise _BadRowError(f"text has {len(value)} characters, the most is {MAX_CAPTION_CHARACTERS}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _BadRowError(f"{name} is not JSON and no value to keep")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise _BadRowError(f"keys given twice: {', '.join(repeated)}")
    return dict(pairs)
