"""`metadata.jsonl`, parsed by ourselves so that every complaint names its line.

Accepted: UTF-8 with or without a byte order mark, any line ending, blank lines, no final newline. A row is an
object with `file_name` (a relative path inside the folder) and `text` (the caption); other keys are kept.
"""

import codecs
import json
import posixpath
import re
import reprlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from moongate.artifacts.digests import canonical_json
from moongate.errors import InputError
from moongate.imagefolder.verdicts import Verdict

METADATA_NAME = "metadata.jsonl"
MAX_CAPTION_CHARACTERS = 2000
MAX_NAME_CHARACTERS = 1000
# A parsed line can take many times its own length, so each of these bounds the memory of reading.
MAX_METADATA_BYTES = 32 * 1024 * 1024
MAX_LINES = 100_000
MAX_LINE_CHARACTERS = 1_000_000
# Columns like mask_file_name name further files of the folder, as in Hugging Face's imagefolder.
COMPANION_SUFFIX = "_file_name"

_URL_OR_DRIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# The mark of UTF-32 begins like that of UTF-16, so it is asked for first.
_FOREIGN_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# Of what is below the space, a caption may hold what a person types: tab and the ends of lines.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_METADATA_SUFFIXES = ("jsonl", "json", "jsonl.txt", "csv", "tsv", "parquet", "ndjson")

_ONE_OBJECT = 'write one object a line: {"file_name": "one.png", "text": "a duck on a table"}'
_INSIDE = "name a file inside the folder by its relative path, such as one.png or photos/one.png"
_CAPTION = f"give every picture a caption of 1 to {MAX_CAPTION_CHARACTERS} characters as text"


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
    """A line that is not a row: the reason, and what to do next."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


def read_metadata(path: Path) -> Metadata:
    """Read `metadata.jsonl`.

    Raises:
        InputError: when the file is missing, is not UTF-8, is too large, or holds no line at all.
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
            faults.append(Verdict(METADATA_NAME, "rejected", str(fault), fault.hint, line=number))
    return Metadata(tuple(rows), tuple(faults))


def _lines(path: Path) -> list[str]:
    content = _content(path)
    for mark, encoding in _FOREIGN_MARKS.items():
        if content.startswith(mark):
            raise _unreadable(path, f"it is {encoding}")
    if b"\0" in content:
        raise _unreadable(path, "it holds null bytes, as UTF-16 does and damaged files do")
    if content.count(b"\n") >= MAX_LINES:
        raise _unreadable(path, f"it has more than {MAX_LINES:,} lines")
    try:
        # Only line feeds end a line: U+2028 and its kind may stand inside a JSON string.
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"line {line} is not UTF-8 (byte 0x{content[error.start]:02x})") from error


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_METADATA_BYTES:
            raise _unreadable(path, f"it is larger than {MAX_METADATA_BYTES // 2**20} MiB")
        return path.read_bytes()
    except FileNotFoundError:
        raise _unreadable(path, f"there is no such file{_namesakes(path)}") from None
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error


def _namesakes(path: Path) -> str:
    """Name the files that were perhaps meant to be the metadata file."""
    names = sorted(other.name for other in path.parent.iterdir() if is_namesake(other.name))
    return f", but there is {', '.join(names[:3])}" if names else ""


def is_namesake(name: str) -> bool:
    """Tell whether a file's name says that it holds metadata, in another format or spelling."""
    stem, _, suffix = name.lower().partition(".")
    return name != METADATA_NAME and stem == "metadata" and suffix in _METADATA_SUFFIXES


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"the captions in {path.parent.name}/{METADATA_NAME} cannot be read",
        where=str(path),
        why=why,
        fix='write one line per picture, in UTF-8: {"file_name": "one.png", "text": "a duck on a table"}',
    )


def _parse_row(line: int, text: str) -> Row:
    if len(text) > MAX_LINE_CHARACTERS:
        raise _BadRowError(
            f"the line has {len(text)} characters, the most is {MAX_LINE_CHARACTERS}", _ONE_OBJECT
        )
    value = _decode(text)
    if not isinstance(value, dict):
        raise _BadRowError(f"not an object with file_name and text but {type(value).__name__}", _ONE_OBJECT)
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
        raise _BadRowError(f"not JSON: {error.msg} at column {error.colno}", _ONE_OBJECT) from error
    except (ValueError, RecursionError) as error:
        raise _BadRowError(f"not JSON that can be kept: {error}", _ONE_OBJECT) from error
    return value


def _normalised_name(value: object, key: str) -> str:
    """Return a relative POSIX path inside the folder, with `./` and backslashes resolved."""
    if not isinstance(value, str) or not value.strip():
        raise _BadRowError(f"{key} must be the path of a file, got {_brief(value)}", _INSIDE)
    if len(value) > MAX_NAME_CHARACTERS:
        raise _BadRowError(f"{key} has {len(value)} characters, the most is {MAX_NAME_CHARACTERS}", _INSIDE)
    if "\0" in value:
        raise _BadRowError(f"{key} holds a null character", _INSIDE)
    if value.startswith(("/", "\\")) or _URL_OR_DRIVE.match(value):
        raise _BadRowError(f"{key} {value!r} is not a path relative to the folder", _INSIDE)
    name = posixpath.normpath(value.replace("\\", "/"))
    if name in ("..", ".") or name.startswith("../"):
        raise _BadRowError(f"{key} {value!r} leads out of the folder", _INSIDE)
    return name


def _caption(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _BadRowError(f"text must be a caption in words, got {_brief(value)}", _CAPTION)
    if len(value) > MAX_CAPTION_CHARACTERS:
        raise _BadRowError(
            f"text has {len(value)} characters, the most is {MAX_CAPTION_CHARACTERS}", _CAPTION
        )
    if control := _CONTROL.search(value):
        raise _BadRowError(f"text holds the control character {control[0]!a}", _CAPTION)
    return value


def _brief(value: object) -> str:
    """Return a value for a message: whatever it is, it is shown, and never at full length."""
    return reprlib.repr(value)


def _refuse_constant(name: str) -> NoReturn:
    raise _BadRowError(f"{name} is not JSON and no value to keep", _ONE_OBJECT)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(key for key, _ in pairs)
    if repeated := sorted(key for key, count in counts.items() if count > 1):
        raise _BadRowError(f"keys given twice: {', '.join(repeated)}", _ONE_OBJECT)
    return dict(pairs)
