"""Markdown in which values from strangers' files stay what they are: text."""

import re
from collections.abc import Iterable, Sequence

# CommonMark 0.31, 2.4: a backslash takes the meaning from any ASCII punctuation.
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def escaped(text: str) -> str:
    """Return `text` as Markdown that shows exactly it, in one line: nothing in it acts as markup."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; titles and cells are plain text and are escaped."""
    lines = [_row(titles), f"|{'---|' * len(titles)}", *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"
