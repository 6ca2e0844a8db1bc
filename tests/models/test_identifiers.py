import json
import shutil
from pathlib import Path

import pytest

from moongate.models.identifiers import doubts_about
from moongate.models.source import BaseSource, bundled_folder
from moongate.subject import SubjectConfig

TOYBOX = BaseSource(bundled_folder() / "base", "toybox")


def subject(identifier: str, class_noun: str = "duck") -> SubjectConfig:
    return SubjectConfig(identifier=identifier, class_noun=class_noun)


@pytest.fixture(params=["vocab.json", "tokenizer.json"])
def large(request: pytest.FixtureRequest, tmp_path: Path) -> BaseSource:
    """A base whose vocabulary has 20,000 words in the order of their frequency."""
    vocabulary = {f"word{number}</w>": number for number in range(20_000)}
    content = vocabulary if request.param == "vocab.json" else {"model": {"vocab": vocabulary}}
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / request.param).write_text(json.dumps(content))
    return BaseSource(tmp_path, "large")


@pytest.mark.parametrize("word", ["sks", "zwx", "ohwx", "xyz123"])
def test_nothing_speaks_against_a_rare_word(word: str) -> None:
    assert doubts_about(subject(word), TOYBOX) == ()


@pytest.mark.parametrize("word", ["dog", "Red", "the", "photo"])
def test_a_common_word_is_doubted_and_a_rare_one_named(word: str) -> None:
    (doubt,) = doubts_about(subject(word), TOYBOX)
    assert doubt.startswith(f"the identifier {word!r} is a common word")
    assert "--identifier sks" in doubt


def test_the_class_noun_as_its_own_identifier_is_doubted() -> None:
    (doubt,) = doubts_about(subject("robot", "toy robot"), TOYBOX)
    assert "is the class noun itself" in doubt


def test_a_large_vocabulary_says_itself_which_words_are_common(large: BaseSource) -> None:
    (doubt,) = doubts_about(subject("word300"), large)
    assert "number 300 of the model's vocabulary" in doubt
    assert doubts_about(subject("word19999"), large) == ()
    assert doubts_about(subject("nosuchword"), large) == ()


def test_a_vocabulary_that_cannot_be_read_gives_no_advice(tmp_path: Path) -> None:
    shutil.copytree(TOYBOX.folder / "tokenizer", tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{broken")
    assert doubts_about(subject("xyz"), BaseSource(tmp_path, "broken")) == ()
