import json
import re
from pathlib import Path

import pytest

from moongate.errors import InputError
from moongate.prompts import (
    PromptRow,
    class_phrase,
    class_prompt,
    identifier_phrase,
    prompts_file,
    read_prompts,
)
from moongate.subject import SubjectConfig

GOOD = {"prompt_id": "snow", "template": "a {subject} in the snow", "kind": "recontextualization"}


def written(tmp_path, *lines: str | dict) -> Path:
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_prompts_are_read_in_order_with_what_a_right_picture_shows(tmp_path):
    second = {"prompt_id": "tiny", "template": "a tiny {subject}", "kind": "property", "size": "tiny"}
    rows = read_prompts(written(tmp_path, GOOD | {"scene": "snow"}, "", second))
    assert rows == (
        PromptRow("snow", "a {subject} in the snow", "recontextualization", scene="snow"),
        PromptRow("tiny", "a tiny {subject}", "property", size="tiny"),
    )


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_crlf_change_nothing(mark, tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_bytes(mark + json.dumps(GOOD).encode() + b"\r\n")
    assert len(read_prompts(path)) == 1


def test_the_subject_takes_its_place_and_articles_stay(tmp_path):
    (row,) = read_prompts(written(tmp_path, GOOD))
    subject = SubjectConfig(class_noun="duck", identifier="sks")
    assert row.text(identifier_phrase(subject)) == "a sks duck in the snow"
    assert row.text(class_phrase(subject)) == "a duck in the snow"


def test_the_class_prompt_names_the_class_for_every_model():
    row = class_prompt(SubjectConfig(class_noun="duck", class_prompt="a photo of a {class_noun}"))
    assert row.text("sks duck") == "a photo of a duck"
    assert (row.kind, row.object) == ("class", "duck")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2: Invalid JSON"),
        ("[]", "line 2"),
        (GOOD | {"prompt_id": "plain", "template": "a duck", "kind": "class"}, "line 2: kind 'class' is not"),
        ({"prompt_id": "x", "kind": "property"}, "line 2: template: Field required"),
        (GOOD | {"prompt_id": 7}, "line 2: prompt_id"),
        (GOOD | {"prompt_id": " "}, "line 2: .*prompt_id is empty"),
        (GOOD | {"prompt_id": "x", "kind": "pose"}, "line 2: kind"),
        (GOOD | {"prompt_id": "x", "color": "red"}, "line 2: color"),
        (GOOD | {"prompt_id": "x", "template": "a {subjekt}"}, "line 2: .*subjekt"),
        (GOOD | {"prompt_id": "x", "template": "a {subject"}, "line 2"),
        (GOOD | {"prompt_id": "x", "template": "a duck"}, "line 2: .*does not say"),
        (GOOD, "line 2: line 1 has the prompt_id 'snow' already"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(line, complaint, tmp_path):
    path = written(tmp_path, GOOD, line)
    with pytest.raises(InputError, match=complaint) as caught:
        read_prompts(path)
    assert caught.value.where == str(path)


def test_all_bad_lines_are_named_at_once(tmp_path):
    with pytest.raises(InputError, match=r"(?s)line 1.*line 3"):
        read_prompts(written(tmp_path, "{", GOOD, "}"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no prompt"),
        (b"\n \n", "no prompt"),
        (b'{"a": 1}\n"\xe9"', re.escape("line 2 is not UTF-8 (byte 0xe9)")),
    ],
)
def test_a_file_without_prompts_is_refused(content, complaint, tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        read_prompts(path)


def test_a_missing_file_is_named(tmp_path):
    path = prompts_file(str(tmp_path / "{class_noun}.jsonl"), SubjectConfig(class_noun="duck"))
    with pytest.raises(InputError, match="no such file") as caught:
        read_prompts(path)
    assert caught.value.where.endswith("duck.jsonl")
