"""Markdown in which values from strangers' files stay what they are: text."""

import re
from collections.abc import Iterable, Sequence

# CommonMark 0.31, 2.4: a backslash takes the meaning from any ASCII punctuation.
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# GitHub's dialect makes links of bare addresses after all escapes were read. A word joiner, which has no
# width, ends what it takes for one.
_ADDRESS = re.compile(r"(www(?=\.)|https?://|@)", re.IGNORECASE)
_WORD_JOINER = "\u2060"


def escaped(text: str) -> str:
    """Return `text` as Markdown that shows it in one line, in which nothing acts as markup or as a link."""
    inert = _ADDRESS.sub(rf"\1{_WORD_JOINER}", " ".join(text.split()))
    return _PUNCTUATION.sub(r"\\\1", inert)


def code(text: str) -> str:
    """Return `text` as a code span, for what people copy: nothing is put into it."""
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks} {text} {ticks}" if "`" in text else f"`{text}`"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; titles and cells are plain text and are escaped."""
    lines = [_row(titles), f"|{'---|' * len(titles)}", *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"
