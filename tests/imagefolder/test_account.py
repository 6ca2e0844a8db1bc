import pickle
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from moongate.imagefolder.account import (
    SHOWN_PER_GROUP,
    Account,
    RejectedInputsError,
    enforce,
    markdown_table,
)
from moongate.imagefolder.verdicts import Verdict

FINE = tuple(Verdict(f"fine-{number}.png", "accepted") for number in range(4))


def account(*verdicts: Verdict) -> Account:
    return Account(Path("ducks"), (*FINE, *verdicts))


def many(count: int, hint: str) -> tuple[Verdict, ...]:
    return tuple(Verdict(f"{number}.gif", "rejected", "a GIF", hint) for number in range(count))


def test_files_that_need_the_same_stand_together_the_largest_group_first() -> None:
    other = Verdict("x.png", "rejected", "no row", "add a row")
    groups = account(other, *many(SHOWN_PER_GROUP + 37, "save it as PNG")).groups()
    assert [(group.hint, len(group.shown), group.left_out) for group in groups] == [
        ("save it as PNG", SHOWN_PER_GROUP, 37),
        ("add a row", 1, 0),
    ]


def test_the_error_has_reasons_counts_and_next_steps_and_stays_short() -> None:
    with pytest.raises(RejectedInputsError) as caught:
        enforce(account(*many(500, "save it as PNG")), allow_rejects=False, min_pictures=1)
    message = str(caught.value)
    assert "500 of 504 inputs cannot be used" in message
    assert "0.gif: a GIF" in message
    assert f"and {500 - SHOWN_PER_GROUP} more" in message
    assert "-> save it as PNG" in message
    assert "--allow-rejects" in message
    assert len(message.splitlines()) < 15


def test_rejects_that_are_allowed_are_no_error_and_too_few_pictures_are() -> None:
    enforce(account(*many(3, "save it")), allow_rejects=True, min_pictures=4)
    with pytest.raises(RejectedInputsError, match=r"4 usable pictures are too few(.|\n)*0\.gif: a GIF"):
        enforce(account(*many(3, "save it")), allow_rejects=True, min_pictures=5)


def test_junk_is_not_counted_as_offered() -> None:
    junk = Verdict(".DS_Store", "ignored", "a hidden file")
    assert account(junk, *many(1, "save it")).headline() == "1 of 5 inputs cannot be used"


def test_names_and_reasons_cannot_move_the_cursor_or_fill_the_screen() -> None:
    hostile = Verdict("\x1b[2J\r\n\u202e.png", "rejected", "x" * 100_000, "rename it")
    text = account(hostile).text()
    assert "\\x1b[2J\\r\\n\\u202e.png" in text
    assert len(text) < 500


def test_names_are_no_markup_in_the_table_of_a_user_interface() -> None:
    hostile = Verdict("a|b<script>[x](http://y)`.png", "rejected", "**bold**", "rename it")
    row = markdown_table(account(hostile)).splitlines()[-1].replace("\u2060", "")
    assert r"a\|b\<script\>\[x\]\(http\:\/\/y\)\`\.png" in row
    assert r"\*\*bold\*\*" in row


def test_a_link_to_a_script_is_no_link_in_it(tmp_path: Path) -> None:
    """Read by a CommonMark parser, the hostile name is text, and nothing else."""
    name = "x](javascript:alert(1)) <img src=x onerror=alert(2)> [a]: javascript:alert(3)"
    table = markdown_table(account(Verdict(name, "rejected", "&lt;b&gt;", "rename it")))
    html = MarkdownIt().enable("table").render(table)
    assert "<a" not in html
    assert "<img" not in html
    assert "x](javascript:alert(1)) &lt;img src=x onerror=alert(2)&gt;" in html


def test_the_error_travels_between_processes_with_its_verdicts() -> None:
    with pytest.raises(RejectedInputsError) as caught:
        enforce(account(*many(2, "save it")), allow_rejects=False, min_pictures=1)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.account) == (str(caught.value), caught.value.account)
