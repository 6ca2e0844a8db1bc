"""Names, links and folders that lead where nothing may be read, or hide what is there."""

import os
from collections.abc import Callable
from pathlib import Path

from benchmarks.hostile.case import Case
from benchmarks.hostile.folder import Folder, encoded, picture
from moongate.imagefolder.listing import MAX_FILE_BYTES

META = "metadata.jsonl"
X = "x.png"
FOURTH = encoded(picture(7))
DEEP = "d" * 250


def _name(file_name: object) -> Callable[[Folder], None]:
    return lambda folder: folder.name(file_name)


def _link(target: str) -> Callable[[Folder], None]:
    def build(folder: Folder) -> None:
        (folder.path / X).symlink_to(target)
        folder.name(X)

    return build


def _link_out(folder: Folder) -> None:
    # A neighbour whose name begins like the folder's: comparing names as text would let it pass.
    secret = folder.path.with_name(f"{folder.path.name}_secret.png")
    secret.write_bytes(FOURTH)
    _link(str(secret))(folder)


def _metadata_link_out(folder: Folder) -> None:
    folder.finish = None
    outside = folder.path.with_name("outside.jsonl")
    outside.write_bytes(b"\n".join(folder.lines))
    (folder.path / META).symlink_to(outside)


def _pipe(folder: Folder) -> None:
    os.mkfifo(folder.path / X)
    folder.name(X)


def _enormous(folder: Folder) -> None:
    with (folder.path / X).open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    folder.name(X)


def _too_deep(folder: Folder) -> None:
    """Nest folders until their path is longer than the system takes; only relative steps get there."""
    here = os.open(folder.path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir(DEEP, dir_fd=here)
        below = os.open(DEEP, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def _file(name: str | bytes, content: bytes = FOURTH) -> Callable[[Folder], None]:
    def build(folder: Folder) -> None:
        path = Path(os.fsdecode(os.path.join(os.fsencode(folder.path), os.fsencode(name))))  # noqa: PTH118
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return build


def _named(on_disk: str, in_row: str) -> Callable[[Folder], None]:
    def build(folder: Folder) -> None:
        folder.file(on_disk, FOURTH)
        folder.name(in_row)

    return build


def _split(name: str) -> Case:
    inside = f"{name}/x.png"
    return Case(f"a folder named {name}", lambda f: f.put(inside, FOURTH), "accepted", "", inside)


RELATIVE = "is not a path relative to the folder"
OUT = "leads out of the folder"
PATHS = (
    Case("../", _name("../x.png"), "rejected", OUT, META),
    Case("../ behind a folder", _name("s/../../x.png"), "rejected", OUT, META),
    Case("..\\ with backslashes", _name("s\\..\\..\\x.png"), "rejected", OUT, META),
    Case("an absolute path", _name("/etc/passwd"), "rejected", RELATIVE, META),
    Case("a URL", _name("http://example.com/x.png"), "rejected", RELATIVE, META),
    Case("a file URL", _name("file:///etc/passwd"), "rejected", RELATIVE, META),
    Case("a drive", _name("C:\\x.png"), "rejected", RELATIVE, META),
    Case("a network share", _name("\\\\server\\x.png"), "rejected", RELATIVE, META),
    Case("a null character", _name("x\0.png"), "rejected", "null character", META),
    Case("a name of 5,000 characters", _name("x" * 5000), "rejected", "file_name has 5000", META),
    Case("the folder itself", _name("."), "rejected", OUT, META),
    Case("a mask behind ../", lambda f: f.put(X, FOURTH, mask_file_name="../m.png"), "rejected", OUT, META),
)
LINKS = (
    Case("a link out of the folder", _link_out, "rejected", "a link that leads out of the folder"),
    Case("a link to a device", _link("/dev/zero"), "rejected", "a link that leads out of the folder"),
    Case("a link to nothing", _link("gone.png"), "rejected", "cannot be read: No such file"),
    Case("a link to itself", _link(X), "rejected", "cannot be read"),
    Case("a link to a folder", _link("."), "rejected", "a link to a folder"),
    Case("a pipe that nobody writes to", _pipe, "rejected", "not a regular file"),
    Case("metadata.jsonl as a link out", _metadata_link_out, "refused", "leads out of the folder"),
    Case("a file larger than is read", _enormous, "rejected", "bytes; the most is"),
    Case("folders nested beyond the system's limit", _too_deep, "rejected", "cannot be listed", DEEP),
)
NAMES = (
    Case("a row for a file that is missing", _name(X), "rejected", "there is no file 'x.png'"),
    Case("a row in another letter case", _named("X.PNG", X), "rejected", "but there is 'X.PNG'"),
    Case(
        "a row in another Unicode form",
        _named("e\u0301.png", "\u00e9.png"),
        "rejected",
        "differs in letter case or Unicode form",
        "\u00e9.png",
    ),
    Case("a row with another suffix", _named("x.jpg", X), "rejected", "but there is 'x.jpg'"),
    Case("a row without its folder", _named("more/x.png", X), "rejected", "but there is 'more/x.png'"),
    Case("a file without a row", _file(X), "rejected", "no row in metadata.jsonl"),
    Case("a name that is not UTF-8", _file(b"d\xfcck.png"), "rejected", "no row", "d\\xfcck.png"),
    Case("a name that moves the cursor", _file("\x1b[2Jx.png"), "rejected", "no row", "\x1b[2Jx.png"),
    _split("train"),
    _split("test"),
    _split("val"),
)
JUNK = (
    Case("what a Mac leaves", _file(".DS_Store", b"\0\0\0\x01Bud1"), "ignored", "a hidden file", ".DS_Store"),
    Case("what Windows leaves", _file("Thumbs.db"), "ignored", "a file manager", "Thumbs.db"),
    Case(
        "a notebook's checkpoints",
        _file(".ipynb_checkpoints/a-checkpoint.png"),
        "ignored",
        "a hidden file",
        ".ipynb_checkpoints",
    ),
    Case("an editor's copy", _file("a.png~"), "ignored", "a hidden file", "a.png~"),
    Case("notes", _file("notes.txt", b"more ducks"), "ignored", "not a picture", "notes.txt"),
)
