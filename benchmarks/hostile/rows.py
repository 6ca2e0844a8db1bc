"""Hostile and odd lines of `metadata.jsonl`, captions, and metadata files as a whole."""

import json
from collections.abc import Callable

from benchmarks.hostile.case import Case
from benchmarks.hostile.folder import SOUND, Folder, encoded, picture
from moongate.subject import SubjectConfig

META = "metadata.jsonl"
X = "x.png"
FOURTH = encoded(picture(7))
CAPTIONED = SubjectConfig(instance_prompt="a photo of {caption}")
PLAIN = SubjectConfig()


def _line(line: str | bytes) -> Callable[[Folder], None]:
    raw = line if isinstance(line, bytes) else line.encode()
    return lambda folder: folder.lines.append(raw)


def _text(text: object) -> Callable[[Folder], None]:
    return lambda folder: folder.put(X, FOURTH, text)


def _whole(finish: Callable[[list[bytes]], bytes] | None) -> Callable[[Folder], None]:
    def build(folder: Folder) -> None:
        folder.finish = finish

    return build


def _joined(lines: list[bytes]) -> str:
    return b"\n".join(lines).decode() + "\n"


def _only_csv(folder: Folder) -> None:
    folder.finish = None
    folder.file("metadata.csv", b"file_name,text\na.png,a duck\n")


def _folder_in_its_place(folder: Folder) -> None:
    folder.finish = None
    (folder.path / META).mkdir()


def _twice(folder: Folder) -> None:
    folder.put(X, FOURTH)
    folder.row(file_name=f"./{X}", text="another duck")


def _with_mask(folder: Folder) -> None:
    folder.put(X, FOURTH, mask_file_name="masks/x.png")


def _too_few(folder: Folder) -> None:
    (folder.path / SOUND[0]).unlink()
    del folder.lines[0]


LINES = (
    Case("a broken line", _line('{"file_name": "x.png", "te'), "rejected", "not JSON", META),
    Case("a list for a row", _line('["x.png", "a duck"]'), "rejected", "not an object", META),
    Case("no file_name", _line('{"text": "a duck"}'), "rejected", "file_name must be", META),
    Case("a number for file_name", _line('{"file_name": 7, "text": "a duck"}'), "rejected", "got 7", META),
    Case("no text", _line('{"file_name": "x.png"}'), "rejected", "text must be a caption", META),
    Case("a number for text", _line('{"file_name": "x.png", "text": 7}'), "rejected", "got 7", META),
    Case("a blank text", _line('{"file_name": "x.png", "text": " "}'), "rejected", "text must be", META),
    Case(
        "one key twice", _line('{"file_name": "x.png", "text": "a", "text": "b"}'), "rejected", "twice", META
    ),
    Case("NaN", _line('{"file_name": "x.png", "text": "a", "n": NaN}'), "rejected", "NaN is not JSON", META),
    Case(
        "a number beyond all",
        _line('{"file_name": "x.png", "text": "a", "n": 1e999}'),
        "rejected",
        "kept",
        META,
    ),
    Case("half a character", _line('{"file_name": "x.png", "text": "\\ud800"}'), "rejected", "kept", META),
    Case("a line nested to the depths", _line("[" * 100_000), "rejected", "not JSON", META),
    Case(
        "a line of 1.2 million characters",
        _line('"' + "x" * 1_200_000 + '"'),
        "rejected",
        "the most is",
        META,
    ),
    Case("a row twice, with another caption", _twice, "rejected", "has this file already"),
    Case("a mask that is missing", _with_mask, "rejected", "there is no file 'masks/x.png'"),
)

CAPTIONS = (
    Case(
        "a caption of 2,001 characters",
        _line(json.dumps({"file_name": X, "text": "x" * 2001})),
        "rejected",
        "text has 2001 characters",
        META,
    ),
    Case(
        "a prompt beyond the tokenizer's limit",
        _text("a duck in the snow " * 8 + "under a rainbow"),
        "rejected",
        "this would be cut off:",
    ),
    Case(
        "a caption beyond the tokenizer's limit that is no prompt",
        _text("a duck in the snow " * 8 + "under a rainbow"),
        "accepted",
        "this would be cut off:",
        subject=PLAIN,
    ),
    Case(
        "a caption that moves the cursor",
        _line('{"file_name": "x.png", "text": "a \\u001b[2J duck"}'),
        "rejected",
        "control character",
        META,
    ),
    Case(
        "a caption with the tokenizer's own mark",
        _text("a duck <|endoftext|> a cat"),
        "rejected",
        "'<|endoftext|>'",
    ),
    Case(
        "a caption without the class noun, where the identifier goes before it",
        _text("a bird in the snow"),
        "rejected",
        "does not mention the class noun 'duck'",
        subject=CAPTIONED,
    ),
    Case(
        "a caption without the class noun that only describes",
        _text("a bird in the snow"),
        "accepted",
        "does not mention the class noun 'duck'",
        subject=PLAIN,
    ),
    Case(
        "a caption that has the identifier already",
        _text("a sks duck"),
        "accepted",
        "holds the identifier 'sks' already",
        subject=CAPTIONED,
    ),
    Case("a caption of markup", _text("<script>alert('a duck')</script>"), "accepted", ""),
)

WHOLE_FILES = (
    Case(
        "a byte order mark and CRLF",
        _whole(lambda lines: b"\xef\xbb\xbf" + b"\r\n".join(lines)),
        "accepted",
        "",
        "a.png",
    ),
    Case(
        "blank lines and no final newline",
        _whole(lambda lines: b"\n\n \n" + b"\n\n".join(lines)),
        "accepted",
        "",
        "a.png",
    ),
    Case("UTF-16", _whole(lambda lines: _joined(lines).encode("utf-16")), "refused", "it is UTF-16"),
    Case(
        "UTF-16 without a mark",
        _whole(lambda lines: _joined(lines).encode("utf-16-le")),
        "refused",
        "null bytes",
    ),
    Case("UTF-32", _whole(lambda lines: _joined(lines).encode("utf-32")), "refused", "it is UTF-32"),
    Case(
        "Latin-1",
        _whole(lambda lines: b"\n".join([*lines, '{"file_name": "é"}'.encode("latin-1")])),
        "refused",
        "line 4 is not UTF-8 (byte 0xe9)",
    ),
    Case("an empty metadata file", _whole(lambda lines: b""), "refused", "it is empty"),
    Case("a metadata file of blank lines", _whole(lambda lines: b"\n" * 9), "refused", "it is empty"),
    Case(
        "a metadata file of 200,000 lines",
        _whole(lambda lines: b"x\n" * 200_000),
        "refused",
        "more than 100,000 lines",
    ),
    Case("no metadata file", _whole(None), "refused", "there is no such file"),
    Case("metadata.csv in place of metadata.jsonl", _only_csv, "refused", "but there is metadata.csv"),
    Case("a folder named metadata.jsonl", _folder_in_its_place, "refused", "directory"),
    Case(
        "two metadata files",
        lambda folder: folder.file("metadata.csv", b"file_name,text\n"),
        "rejected",
        "a second metadata file",
        "metadata.csv",
    ),
    Case(
        "a metadata file in a folder below",
        lambda folder: folder.file("more/metadata.jsonl", b"{}"),
        "rejected",
        "a second metadata file",
        "more/metadata.jsonl",
    ),
    Case("too few pictures", _too_few, "refused", "2 usable pictures are too few"),
)
