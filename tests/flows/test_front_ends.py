"""Events as lines of JSON, for programs that watch."""

import json
import logging
import os
from io import StringIO
from pathlib import Path

import pytest

from flows.announcing import announce
from flows.events import (
    AnyEvent,
    Message,
    RunFinished,
    StageProgress,
    StageStarted,
    VerdictReached,
    read_event,
)
from flows.front_ends import JsonLines
from tasks.progress import current_progress

PAGE = Path("docs/watching.md").read_text(encoding="utf-8")
VERDICT = VerdictReached(run_id="r", verdict="good", reason="both marks passed")


def lines_of(stream: StringIO) -> list[AnyEvent]:
    return [read_event(line) for line in stream.getvalue().splitlines()]


def test_events_progress_and_warnings_are_one_stream_in_order() -> None:
    stream = StringIO()
    with JsonLines(stream).showing():
        announce(StageStarted(run_id="r", stage="sample", role="tuned"))
        with current_progress().track("sample", 5) as advance:
            advance(2)
            advance(3)
        logging.getLogger("moongate.anything").warning("%d files were skipped", 2)
        announce(VERDICT)
    announce(VERDICT)
    _, progress, message, verdict = lines_of(stream)
    assert isinstance(progress, StageProgress)
    assert (progress.role, progress.done, progress.total) == ("tuned", 5, 5)
    assert isinstance(message, Message)
    assert (message.level, message.text) == ("warning", "2 files were skipped")
    assert verdict == VERDICT


def test_when_nobody_reads_any_more_the_work_goes_on() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        lines = JsonLines(stream)
        for _ in range(3):
            lines.hear(VERDICT)


def test_a_line_holds_whatever_text_there_is() -> None:
    stream = StringIO()
    JsonLines(stream).hear(Message(level="error", text="two\nlines \u2028 and \x1b[2J"))
    assert stream.getvalue().count("\n") == 1
    assert lines_of(stream)[0].text == "two\nlines \u2028 and \x1b[2J"


@pytest.mark.parametrize("kind", AnyEvent.__origin__.__args__, ids=lambda kind: kind.__name__)
def test_the_page_names_every_event_and_field(kind: type[RunFinished]) -> None:
    name = kind.model_fields["event"].default
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    for field in kind.model_fields.keys() - {"event", "at_utc"}:
        assert f"`{field}`" in row


def test_the_pages_example_is_an_event() -> None:
    examples = [line for line in PAGE.splitlines() if line.startswith('{"')]
    assert examples
    for line in examples:
        assert json.loads(line)["event"] == read_event(line).event
