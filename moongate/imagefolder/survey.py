"""What a folder offers: its pictures matched with their rows, and a verdict on everything else.

A survey reads and hashes files but decodes nothing, so it is cheap enough to be made on every run.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from moongate.artifacts.digests import file_digest, json_digest
from moongate.errors import InputError
from moongate.imagefolder.listing import Found, list_files
from moongate.imagefolder.metadata import METADATA_NAME, Row, read_metadata
from moongate.imagefolder.verdicts import Verdict

__all__ = ["Offer", "Survey", "survey_folder"]


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
    files = {found.name: found for found in list_files(folder)}
    _check_metadata_file(folder, files.pop(METADATA_NAME, None))
    metadata = read_metadata(folder / METADATA_NAME)
    offers, refused = _match(metadata.rows, files)
    unique, doubled = _without_doubles(offers)
    companions = {name for row in metadata.rows for name in row.companions}
    rest = _judge_rest(files, {row.file_name for row in metadata.rows}, companions)
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
    for row in sorted(rows, key=lambda row: (row.file_name, row.line)):
        if reason := _row_fault(row, files, seen):
            refused.append(Verdict(row.file_name, "rejected", reason, line=row.line, text=row.text))
        else:
            path = files[row.file_name].path
            companions = tuple((name, file_digest(files[name].path)) for name in row.companions)
            offers.append(Offer(row, path, path.stat().st_size, file_digest(path), companions))
        seen.setdefault(row.file_name, row.line)
    return offers, refused


def _row_fault(row: Row, files: Mapping[str, Found], seen: Mapping[str, int]) -> str:
    if row.file_name in seen:
        return f"line {seen[row.file_name]} has this file already"
    for name in (row.file_name, *row.companions):
        found = files.get(name)
        if found is None:
            return f"there is no file {name!r}{_hint(name, files)}"
        if found.fault:
            return found.fault if name == row.file_name else f"its companion {name!r}: {found.fault}"
    return ""


def _hint(name: str, files: Iterable[str]) -> str:
    """Name the file that differs in letter case or Unicode form only, for such names look alike."""
    folded = unicodedata.normalize("NFC", name).casefold()
    for other in files:
        if unicodedata.normalize("NFC", other).casefold() == folded:
            return f", but there is {other!r} ({other!a}), which differs in letter case or Unicode form"
    return ""


def _without_doubles(offers: Iterable[Offer]) -> tuple[list[Offer], list[Verdict]]:
    """Keep the first of several files with the same bytes: a double would count twice in every average."""
    first: dict[str, str] = {}
    unique: list[Offer] = []
    doubled: list[Verdict] = []
    for offer in offers:
        if offer.sha256 in first:
            doubled.append(offer.verdict().rejected(f"the same bytes as {first[offer.sha256]}"))
        else:
            first[offer.sha256] = offer.row.file_name
            unique.append(offer)
    return unique, doubled


def _judge_rest(files: Mapping[str, Found], rowed: set[str], companions: set[str]) -> list[Verdict]:
    """Return a verdict for each file that no row has as its picture."""
    return [_judge(found, found.name in companions) for name, found in files.items() if name not in rowed]


def _judge(found: Found, is_companion: bool) -> Verdict:  # noqa: FBT001 - a fact about the file, not a switch
    if is_companion:
        return Verdict(found.name, "companion", "named by a column of the metadata")
    if found.junk:
        return Verdict(found.name, "ignored", "a hidden file, or one that a file manager leaves")
    if found.path.name in (METADATA_NAME, "metadata.csv", "metadata.parquet"):
        return Verdict(
            found.name, "rejected", f"a second metadata file; only {METADATA_NAME} at the top is read"
        )
    if found.is_picture or found.fault:
        return Verdict(found.name, "rejected", found.fault or f"no row in {METADATA_NAME}")
    return Verdict(found.name, "ignored", "not a picture")
