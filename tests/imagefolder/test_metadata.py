import json

import pytest

from moongate.errors import InputError
from moongate.imagefolder.metadata import MAX_CAPTION_CHARACTERS, read_metadata

GOOD = '{"file_name": "a.png", "text": "a duck"}'


def read(tmp_path, content: str | bytes):
    path = tmp_path / "metadata.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_metadata(path)


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD + "\n",
        "\ufeff" + GOOD + "\r\n",
        "\n\n  \n" + GOOD + "\n\n",
        GOOD.replace("a.png", "./s/../a.png"),
        GOOD.replace("a.png", ".\\\\a.png"),
    ],
)
def test_harmless_variants_are_read_alike(tmp_path, content):
    metadata = read(tmp_path, content)
    assert metadata.faults == ()
    assert [(row.file_name, row.text, row.extra) for row in metadata.rows] == [("a.png", "a duck", "{}")]


def test_a_line_separator_inside_a_caption_ends_no_line(tmp_path):
    caption = "a duck\u2028on a table\u0085here"
    row = json.dumps({"file_name": "a.png", "text": caption}, ensure_ascii=False)
    assert read(tmp_path, row).rows[0].text == caption


def test_other_columns_are_kept_and_companions_found(tmp_path):
    line = (
        '{"file_name": "a.png", "text": "a duck", "scene": "moon", "mask_file_name": "masks/./a.png", "n": 2}'
    )
    row = read(tmp_path, line).rows[0]
    assert json.loads(row.extra) == {"scene": "moon", "mask_file_name": "masks/./a.png", "n": 2}
    assert row.companions == ("masks/a.png",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"file_name": "a.png", "text": "a du', "not JSON"),
        ('["a.png", "a duck"]', "not an object"),
        ('{"text": "a duck"}', "file_name must be the path"),
        ('{"file_name": null, "text": "a duck"}', "file_name must be the path"),
        ('{"file_name": "a.png"}', "text must be a caption"),
        ('{"file_name": "a.png", "text": 7}', "text must be a caption"),
        ('{"file_name": "a.png", "text": "  "}', "text must be a caption"),
        ('{"file_name": "a.png", "text": "a", "text": "b"}', "keys given twice: text"),
        ('{"file_name": "a.png", "text": "a", "score": NaN}', "NaN is not JSON"),
        ('{"file_name": "a.png", "text": "a", "score": 1e999}', "not JSON that can be kept"),
        ('{"file_name": "a.png", "text": "\\ud800"}', "not JSON that can be kept"),
        ('{"file_name": "a.png", "text": "a", "n": ' + "1" * 5000 + "}", "not JSON that can be kept"),
        ("[" * 100_000, "not JSON"),
        ('{"file_name": "../a.png", "text": "a"}', "leads out of the folder"),
        ('{"file_name": "s/../../a.png", "text": "a"}', "leads out of the folder"),
        ('{"file_name": "s\\\\..\\\\..\\\\a.png", "text": "a"}', "leads out of the folder"),
        ('{"file_name": "/etc/a.png", "text": "a"}', "not a path relative"),
        ('{"file_name": "http://x/a.png", "text": "a"}', "not a path relative"),
        ('{"file_name": "C:\\\\a.png", "text": "a"}', "not a path relative"),
        ('{"file_name": "a\\u0000.png", "text": "a"}', "null character"),
        ('{"file_name": "a.png", "text": "a", "mask_file_name": "../m.png"}', "mask_file_name"),
    ],
)
def test_a_faulty_line_is_named_and_the_others_are_kept(tmp_path, line, reason):
    metadata = read(tmp_path, f"{GOOD}\n\n{line}\n")
    assert [row.line for row in metadata.rows] == [1]
    (fault,) = metadata.faults
    assert (fault.line, fault.verdict) == (3, "rejected")
    assert reason in fault.reason


def test_a_caption_of_absurd_length_is_refused(tmp_path):
    row = {"file_name": "a.png", "text": "x" * (MAX_CAPTION_CHARACTERS + 1)}
    assert "2001 characters" in read(tmp_path, json.dumps(row)).faults[0].reason


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b" \n\r\n", "it is empty"),
        (GOOD.encode("utf-16"), "it is UTF-16"),
        (f"{GOOD}\n".encode() + '{"file_name": "é"}'.encode("latin-1"), "line 2 is not UTF-8 .byte 0xe9"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_says_why(tmp_path, content, why):
    with pytest.raises(InputError, match=why):
        read(tmp_path, content)


def test_a_folder_without_metadata_says_so(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_metadata(tmp_path / "metadata.jsonl")
