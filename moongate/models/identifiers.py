"""Whether a word is rare enough to be given a new meaning."""

import json
from pathlib import Path
from typing import Any

from moongate.models.source import BaseSource
from moongate.subject import SubjectConfig

_END_OF_WORD = "</w>"
# A vocabulary learned from much text, such as CLIP's of 49,408 entries, is in the order of frequency.
_LARGE_VOCABULARY = 10_000
_COMMON_SHARE = 0.75
# For small vocabularies, whose order says little, a list: what people try first, and what pictures show.
_COMMON_WORDS_FILE = Path(__file__).with_name("common_words.txt")


def doubts_about(subject: SubjectConfig, source: BaseSource) -> tuple[str, ...]:
    """Return what speaks against the identifier, in words; empty when nothing does.

    A common word brings its meaning along: training has to undo that before it can teach another.
    """
    word = subject.identifier.lower()
    if word in subject.class_noun.lower().split():
        why = "is the class noun itself, so nothing tells the subject from its class"
    elif word in _COMMON_WORDS_FILE.read_text(encoding="utf-8").split():
        why = "is a common word, whose meaning the model knows already"
    elif (rank := _rank(source.folder / "tokenizer", word)) is not None:
        why = f"is a common word: number {rank:,} of the model's vocabulary by frequency"
    else:
        return ()
    return (f"the identifier {subject.identifier!r} {why}; a rare one is sks: --identifier sks",)


def _rank(tokenizer: Path, word: str) -> int | None:
    """Return a common word's place in a large vocabulary, or None when it is rare or not one token."""
    vocabulary = _vocabulary(tokenizer)
    rank = vocabulary.get(word + _END_OF_WORD)
    if rank is None or len(vocabulary) < _LARGE_VOCABULARY or rank > _COMMON_SHARE * len(vocabulary):
        return None
    return rank


def _vocabulary(tokenizer: Path) -> dict[str, int]:
    """Return token to id. What is not as expected gives nothing: this is advice, and loading complains."""
    try:
        if (plain := tokenizer / "vocab.json").is_file():
            return dict(json.loads(plain.read_bytes()))
        whole: dict[str, Any] = json.loads((tokenizer / "tokenizer.json").read_bytes())
        return dict(whole["model"]["vocab"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
