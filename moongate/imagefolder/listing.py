"""Which files a folder holds, and which of them may be read at all."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_FILE_BYTES = 256 * 1024 * 1024
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
    """

    name: str
    path: Path
    junk: bool
    fault: str

    @property
    def is_picture(self) -> bool:
        """True when its name says that it is a picture, of a format that is read or of another."""
        return PurePosixPath(self.name).suffix.lower() in PICTURE_SUFFIXES + FOREIGN_SUFFIXES


def list_files(root: Path) -> tuple[Found, ...]:
    """Return every file under `root`, sorted by name. Links are never followed out of it.

    Junk folders and links to folders count as one file each and are not entered.
    """
    resolved = root.resolve()
    return tuple(sorted(_walk(resolved), key=lambda found: found.name))


def _walk(root: Path) -> Iterator[Found]:
    for parent, folders, names in os.walk(root):
        closed = [name for name in folders if _is_junk(name) or (Path(parent) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in closed]
        for name in [*names, *closed]:
            path = Path(parent) / name
            shown = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
            yield Found(shown, path, _is_junk(name), _fault(path, root))


def _is_junk(name: str) -> bool:
    return name.startswith((".", "~")) or name.endswith("~") or name.lower() in _JUNK


def _fault(path: Path, root: Path) -> str:
    """Return why a file must not be read, or an empty text."""
    try:
        target = path.resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError) as error:
        return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"
    if not target.is_relative_to(root):
        return "a link that leads out of the folder"
    if stat.S_ISDIR(status.st_mode):
        return "a link to a folder, which is not followed"
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_size > MAX_FILE_BYTES:
        return f"{status.st_size} bytes; the most is {MAX_FILE_BYTES}"
    if not os.access(target, os.R_OK):
        return "cannot be read: permission denied"
    return ""
