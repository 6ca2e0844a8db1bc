"""Which files a folder holds, and which of them may be read at all."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from moongate.errors import InputError

MAX_FILE_BYTES = 256 * 1024 * 1024
# Every file becomes a row that is held in memory, so their number is bounded too.
MAX_FILES = 100_000
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# Pictures that other programs know: a person who puts one here means it to be used.
FOREIGN_SUFFIXES = (
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".heic",
    ".heif",
    ".avif",
    ".jxl",
    ".psd",
    ".eps",
    ".svg",
)

_JUNK = ("thumbs.db", "desktop.ini", "__macosx")


@dataclass(frozen=True)
class Found:
    """One file of a folder.

    Attributes:
        name: its POSIX path within the folder; bytes that are not UTF-8 are shown as escapes.
        path: where it is.
        junk: True for what an operating system or an editor left: hidden files, thumbnails.
        fault: why it must not be read; empty when it may.
        size: in bytes; None where there is no file that may be read.
    """

    name: str
    path: Path
    junk: bool
    fault: str
    size: int | None = None

    @property
    def is_picture(self) -> bool:
        """True when its name says that it is a picture, of a format that is read or of another."""
        return PurePosixPath(self.name).suffix.lower() in PICTURE_SUFFIXES + FOREIGN_SUFFIXES


def list_files(root: Path) -> tuple[Found, ...]:
    """Return every file under `root`, sorted by name. Links are never followed out of it.

    Junk folders, folders that cannot be listed and links to folders count as one file each and are not
    entered.

    Raises:
        InputError: when there are more than `MAX_FILES`.
    """
    found = list(islice(_walk(root.resolve()), MAX_FILES + 1))
    if len(found) > MAX_FILES:
        raise InputError(
            "the folder holds too many files",
            where=str(root),
            why=f"there are more than {MAX_FILES:,}",
            fix="name the folder that holds the pictures of the subject, and nothing above it",
        )
    return tuple(sorted(found, key=lambda found: (found.name, os.fsencode(found.path))))


def _walk(root: Path) -> Iterator[Found]:
    unlisted: list[OSError] = []
    for parent, folders, names in os.walk(root, onerror=unlisted.append):
        closed = [name for name in folders if _is_junk(name) or _is_link(Path(parent) / name)]
        folders[:] = [name for name in folders if name not in closed]
        for name in [*names, *closed]:
            path = Path(parent) / name
            fault, size = _readable(path, root)
            yield Found(_shown(path, root), path, _is_junk(name), fault, size)
    for error in unlisted:
        path = Path(error.filename)
        yield Found(_shown(path, root), path, junk=False, fault=f"cannot be listed: {error.strerror}")


def _shown(path: Path, root: Path) -> str:
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def _is_junk(name: str) -> bool:
    return name.startswith((".", "~")) or name.endswith("~") or name.lower() in _JUNK


def _readable(path: Path, root: Path) -> tuple[str, int | None]:
    """Return why a file must not be read, or an empty text; and its size where it may be known."""
    try:
        target = path.resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError) as error:
        return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}", None
    if not target.is_relative_to(root):
        return "a link that leads out of the folder", None
    if stat.S_ISDIR(status.st_mode):
        return _closed_folder(path), None
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file", None
    if status.st_size > MAX_FILE_BYTES:
        return f"{status.st_size} bytes; the most is {MAX_FILE_BYTES}", status.st_size
    if not os.access(target, os.R_OK):
        return "cannot be read: permission denied", status.st_size
    return "", status.st_size


def _closed_folder(path: Path) -> str:
    return "a link to a folder, which is not followed" if _is_link(path) else "a folder that is not entered"


def _is_link(path: Path) -> bool:
    # Path.is_symlink raises where a path has become too long for the system.
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except OSError:
        return False
