"""What a folder offers: its pictures matched with their rows, and a verdict on everything else.

A survey reads and hashes files but decodes nothing, so it is cheap enough to be made on every run.
"""

import posixpath
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from moongate.artifacts.digests import file_digest, json_digest
from moongate.errors import InputError
from moongate.imagefolder.listing import Found, list_files
from moongate.imagefolder.metadata import METADATA_NAME, Row, is_namesake, read_metadata
from moongate.imagefolder.signatures import SIGNATURE_BYTES, format_of
from moongate.imagefolder.verdicts import Outcome, Verdict

__all__ = ["KEEP_ONE", "Offer", "Survey", "survey_folder"]

KEEP_ONE = "keep one file and one row of each picture"
_CORRECT_NAME = "correct file_name in the row, or put the file into the folder"
_PUT_FILE = "put the file itself into the folder, readable and no larger than the limit"
_ADD_ROW = "add a row with its caption to metadata.jsonl, or take the file out of the folder"
_ONE_METADATA = "move what it says into metadata.jsonl at the top of the folder, and take it out"


class _Own(TypedDict):
    bytes: int | None
    sha256: str | None
    format: str | None


@dataclass(frozen=True)
class Offer:
    """A file and its row, not yet decoded.

    Attributes:
        row: the line of `metadata.jsonl`.
        path: the file.
        size: of the file in bytes.
        sha256: digest of the file's bytes.
        companions: (name, sha256) of each file that the row's `*_file_name` columns name.
    """

    row: Row
    path: Path
    size: int
    sha256: str
    companions: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """sha256 over the picture's bytes, its name, its caption, its columns and its companions."""
        return json_digest([self.row.file_name, self.row.text, self.row.extra, self.sha256, self.companions])

    def verdict(self) -> Verdict:
        """Return the offer as a row of `inputs`, accepted so far."""
        return Verdict(
            self.row.file_name,
            "accepted",
            line=self.row.line,
            text=self.row.text,
            bytes=self.size,
            sha256=self.sha256,
        )


@dataclass(frozen=True)
class Survey:
    """What a folder offers.

    Attributes:
        folder: the folder.
        offers: pictures with sound rows, sorted by name, no two with the same content.
        others: verdicts on everything else: faulty rows, files without a row, companions, junk.
    """

    folder: Path
    offers: tuple[Offer, ...]
    others: tuple[Verdict, ...]

    def content(self) -> tuple[tuple[str, str], ...]:
        """Return (name, digest) pairs of all that matters to an image set: no folder, no times, no junk."""
        pictures = [(f"picture:{offer.row.file_name}", offer.digest) for offer in self.offers]
        refused = sorted(
            [verdict.file_name, verdict.reason, verdict.sha256 or ""]
            for verdict in self.others
            if verdict.verdict == "rejected"
        )
        return (*pictures, *([("rejected", json_digest(refused))] if refused else []))


def survey_folder(folder: Path) -> Survey:
    """Match the files of a folder with the rows of its `metadata.jsonl`.

    Raises:
        InputError: when the folder or its metadata file is missing or cannot be read as a whole.
    """
    if not folder.is_dir():
        raise InputError(
            "the folder of pictures does not exist",
            where=str(folder),
            why="there is no folder at this path" if not folder.exists() else "this path is a file",
            fix="name the folder that holds the pictures and their metadata.jsonl",
        )
    found = list_files(folder)
    files = {file.name: file for file in found}
    _check_metadata_file(folder, files.pop(METADATA_NAME, None))
    metadata = read_metadata(folder / METADATA_NAME)
    offers, refused = _match(metadata.rows, files)
    unique, doubled = _without_doubles(offers)
    companions = {name for row in metadata.rows for name in row.companions}
    # Not from the mapping: two names that cannot be printed may be shown alike, and neither may be lost.
    rowed = {METADATA_NAME, *(row.file_name for row in metadata.rows)}
    rest = [_judge(file, file.name in companions) for file in found if file.name not in rowed]
    return Survey(folder, tuple(unique), (*metadata.faults, *refused, *doubled, *rest))


def _check_metadata_file(folder: Path, found: Found | None) -> None:
    if found is not None and found.fault:
        raise InputError(
            f"{METADATA_NAME} must not be read",
            where=str(folder / METADATA_NAME),
            why=found.fault,
            fix="put the file itself into the folder",
        )


def _match(rows: Iterable[Row], files: Mapping[str, Found]) -> tuple[list[Offer], list[Verdict]]:
    """Return an offer for each row whose files can be read, and a rejected verdict for each other row."""
    offers: list[Offer] = []
    refused: list[Verdict] = []
    seen: dict[str, int] = {}
    known = _KnownNames(files)
    for row in sorted(rows, key=lambda row: (row.file_name, row.line)):
        if row.file_name in seen:
            reason = f"line {seen[row.file_name]} has this file already"
            refused.append(Verdict(row.file_name, "rejected", reason, KEEP_ONE, line=row.line, text=row.text))
            continue
        seen[row.file_name] = row.line
        if fault := _row_fault(row, files, known):
            own = _own(files.get(row.file_name))
            refused.append(Verdict(row.file_name, "rejected", *fault, line=row.line, text=row.text, **own))
        else:
            offers.append(_offer(row, files))
    return offers, refused


def _offer(row: Row, files: Mapping[str, Found]) -> Offer:
    path = files[row.file_name].path
    try:
        companions = tuple((name, file_digest(files[name].path)) for name in row.companions)
        return Offer(row, path, path.stat().st_size, file_digest(path), companions)
    except OSError as error:
        raise InputError(
            "a picture changed while the folder was read",
            where=str(path),
            why=f"{error.strerror}: {error.filename}",
            fix="run again once nothing writes into the folder any more",
        ) from error


def _row_fault(row: Row, files: Mapping[str, Found], known: "_KnownNames") -> tuple[str, str] | None:
    """Return why a row cannot be used and what to do next, or None."""
    for name in (row.file_name, *row.companions):
        found = files.get(name)
        if found is None:
            return f"there is no file {name!r}{known.meant_by(name)}", _CORRECT_NAME
        if found.fault:
            return (
                found.fault if name == row.file_name else f"its companion {name!r}: {found.fault}",
                _PUT_FILE,
            )
    return None


class _KnownNames:
    """The names in a folder, by what a person may confuse them with."""

    def __init__(self, names: Iterable[str]) -> None:
        self._looks: dict[str, str] = {}
        self._others: dict[str, str] = {}
        for name in names:
            self._looks.setdefault(_look(name), name)
            self._others.setdefault(posixpath.basename(name), name)
            self._others.setdefault(posixpath.splitext(name)[0], name)

    def meant_by(self, name: str) -> str:
        """Name the file that was perhaps meant: one that looks alike, is elsewhere, or has another suffix."""
        if twin := self._looks.get(_look(name)):
            return f", but there is {twin!r} ({twin!a}), which differs in letter case or Unicode form"
        other = self._others.get(posixpath.basename(name)) or self._others.get(posixpath.splitext(name)[0])
        return f", but there is {other!r}" if other else ""


def _look(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _without_doubles(offers: Iterable[Offer]) -> tuple[list[Offer], list[Verdict]]:
    """Keep the first of several files with the same bytes: a double would count twice in every average."""
    first: dict[str, str] = {}
    unique: list[Offer] = []
    doubled: list[Verdict] = []
    for offer in offers:
        if offer.sha256 in first:
            doubled.append(offer.verdict().rejected(f"the same bytes as {first[offer.sha256]}", KEEP_ONE))
        else:
            first[offer.sha256] = offer.row.file_name
            unique.append(offer)
    return unique, doubled


def _judge(found: Found, is_companion: bool) -> Verdict:  # noqa: FBT001 - a fact about the file, not a switch
    """Return the verdict on a file that no row has as its picture."""
    return Verdict(found.name, *_standing(found, is_companion), **_own(found))


def _own(found: Found | None) -> _Own:
    """Return size, digest and format of a file that is not used; null where it cannot or must not be read."""
    size = None if found is None else found.size
    if found is None or found.fault:
        return {"bytes": size, "sha256": None, "format": None}
    try:
        with found.path.open("rb") as stream:
            start = stream.read(SIGNATURE_BYTES)
        return {"bytes": size, "sha256": file_digest(found.path), "format": format_of(start)}
    except OSError:
        return {"bytes": size, "sha256": None, "format": None}


def _standing(found: Found, is_companion: bool) -> tuple[Outcome, str, str]:  # noqa: FBT001 - as above
    if is_companion:
        return "companion", "named by a column of the metadata", ""
    if found.junk:
        return "ignored", "a hidden file, or one that a file manager leaves", ""
    if found.path.name == METADATA_NAME or is_namesake(found.path.name):
        return "rejected", f"a second metadata file; only {METADATA_NAME} at the top is read", _ONE_METADATA
    if found.fault:
        return "rejected", found.fault, _PUT_FILE
    if found.is_picture:
        return "rejected", f"no row in {METADATA_NAME}", _ADD_ROW
    return "ignored", "not a picture, by its name", ""
