"""Exhibits as Prefect artifacts of the current run.

An artifact has a key made of subject and name, so that a server lists each once, with its newest version and
those of earlier runs. What cannot be sent is said in the log and costs nothing else.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext, TaskRunContext

from moongate.exhibits.kinds import Exhibit, Picture, Table, Words
from moongate.markdown import escaped

_log = logging.getLogger("moongate.exhibits")
_somebody_can_look: ContextVar[bool] = ContextVar("somebody_can_look", default=True)


def is_watched() -> bool:
    """Tell whether there is a run to show something of, and a user interface that people can open."""
    in_a_run = TaskRunContext.get() is not None or FlowRunContext.get() is not None
    return in_a_run and _somebody_can_look.get()


@contextmanager
def unwatched() -> Iterator[None]:
    """Make and send no artifacts within: the server has no user interface and is gone after the run."""
    token = _somebody_can_look.set(False)
    try:
        yield
    finally:
        _somebody_can_look.reset(token)


def exhibit(subject: str, exhibits: Iterable[Exhibit]) -> None:
    """Show exhibits in the user interface, under keys that begin with `subject`; do nothing when unwatched.

    Args:
        subject: what they are about: a subject's name, or the kind of a campaign.
        exhibits: only iterated, and so only made, when somebody can look.
    """
    if not is_watched():
        return
    try:
        for one in exhibits:
            _send(one, key_of(subject, one.name))
    except Exception as error:  # noqa: BLE001 - the work is done; that it cannot be shown does not undo it
        _log.warning("Something of %s cannot be shown on the server: %s", subject, error)


def key_of(*parts: str) -> str:
    """Return a key as Prefect allows it: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def _send(one: Exhibit, key: str) -> None:
    if isinstance(one, Words):
        create_markdown_artifact(one.markdown, key=key, description=one.caption)
    elif isinstance(one, Table):
        create_table_artifact([dict(row) for row in one.rows], key=key, description=one.caption)
    elif isinstance(one, Picture):
        # An image artifact would print its whole address below the picture, and have no alternative text.
        shown = f"![{escaped(one.caption)}]({one.data_uri})"
        create_markdown_artifact(shown, key=key, description=one.caption)
