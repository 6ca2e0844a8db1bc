import pytest
from markdown_it import MarkdownIt

from moongate.markdown import code, escaped, table


def test_nothing_of_a_stranger_acts_as_markup() -> None:
    hostile = "<img src=x onerror=alert(1)> **b** [x](javascript:1) | www.example.com\n# head"
    shown = escaped(hostile)
    assert "\n" not in shown
    assert all(shown[shown.index(mark) - 1] == "\\" for mark in "<*[|#.")


def test_a_cell_cannot_begin_another_one() -> None:
    *_, row = table(("file", "remark"), [("a|b.png", "x")]).splitlines()
    assert row == r"| a\|b\.png | x |"


@pytest.mark.parametrize(
    "address", ["www.example.com", "WWW.example.com", "https://example.com", "a@b.example"]
)
def test_an_address_is_not_made_a_link(address: str) -> None:
    """A dialect that looks for addresses finds none in the text that is left when all escapes are read."""
    (inline,) = [token for token in MarkdownIt().parse(escaped(address)) if token.type == "inline"]
    text = "".join(token.content for token in inline.children or [])
    assert text.replace("\u2060", "") == address
    assert "\u2060" in text


@pytest.mark.parametrize("text", ["/srv/user@host/report.html", "a`b", "``", "x"])
def test_what_is_copied_is_exactly_the_text(text: str) -> None:
    (inline,) = [token for token in MarkdownIt().parse(code(text)) if token.type == "inline"]
    assert [(token.type, token.content) for token in inline.children or []] == [("code_inline", text)]
