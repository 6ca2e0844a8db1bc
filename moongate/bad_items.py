"""Items that cannot be computed: whether the stage stops at them, or leaves them a row without a value.

Not batches but items are lost: the others of a batch keep the bytes that they have beside a sound item. What
is done is no part of an artifact's address. One with lost items is taken up only by a run that allows them.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import pyarrow.parquet as pq

from moongate.artifacts.refs import Ref
from moongate.artifacts.schemas import LEFT_OUT
from moongate.artifacts.store import Obtained
from moongate.artifacts.tables import write_table
from moongate.config import OnBadItem
from moongate.errors import NumericsError

R = TypeVar("R", bound=Ref)
T = TypeVar("T")
# not_finite, too_long: it went wrong here; lost: an earlier stage had nothing to hand over.
Fault = Literal["not_finite", "too_long", "lost"]
FAULTS: tuple[Fault, ...] = ("not_finite", "too_long", "lost")
_OWN = FAULTS[:2]
GO_ON = "or go on without these items: --set on_bad_item=skip"
LEFT_OUT_NAME = "left_out.parquet"
_SHOWN = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BadItem:
    """One item without a result: its name, what is wrong, and the same in words."""

    name: str
    status: Fault
    reason: str


def sound_ones(found: Iterable[T | BadItem], bad: list[BadItem]) -> Iterator[T]:
    """Yield what is sound, and append the rest to `bad`."""
    for one in found:
        if isinstance(one, BadItem):
            bad.append(one)
        else:
            yield one


def read_bad_items(path: Path, name: str) -> tuple[BadItem, ...]:
    """Return the items that went wrong in the stage of a table, each once; not those lost before it.

    Args:
        path: a Parquet file with the columns `name`, `status` and `reason`.
        name: the column that names the items.
    """
    rows = pq.read_table(path, columns=[name, "status", "reason"], filters=[("status", "in", _OWN)])
    found = (BadItem(row[name], row["status"], row["reason"]) for row in rows.to_pylist())
    return tuple({item.name: item for item in found}.values())


def write_left_out(folder: Path, bad: Sequence[BadItem]) -> None:
    """Write which items an artifact lacks, when it has no rows of its own for them; no file for none."""
    if bad:
        rows = [{"item": one.name, "status": one.status, "reason": one.reason} for one in bad]
        write_table(folder / LEFT_OUT_NAME, rows, LEFT_OUT)


def read_left_out(folder: Path) -> tuple[BadItem, ...]:
    """Return the items that `write_left_out` was given."""
    path = folder / LEFT_OUT_NAME
    return read_bad_items(path, "item") if path.exists() else ()


def accounted(
    obtained: Obtained[R], bad: Sequence[BadItem], on_bad_item: OnBadItem, stage: str
) -> Obtained[R]:
    """Return what was obtained with the number of its bad items, which are logged as a warning.

    Raises:
        NumericsError: when there are some and none are allowed.
    """
    if not bad:
        return obtained
    what = f"{len(bad)} of {obtained.facts.items} items of {stage} could not be computed"
    if on_bad_item == "stop":
        raise NumericsError(
            what,
            where=f"{obtained.ref.kind} {obtained.ref.digest[:12]}, made by a run that skips bad items",
            why=_in_words(bad),
            fix=f"do as said for them, {GO_ON}",
        )
    _log.warning("%s, and are left out: %s", what, _in_words(bad))
    return replace(obtained, lost=len(bad))


def require_some(count: int, bad: Collection[BadItem], stage: str) -> None:
    """Do nothing while some of `count` items are sound.

    Raises:
        NumericsError: when none is; that is no matter of single items any more.
    """
    if count and len(bad) == count:
        raise NumericsError(
            f"none of the {count} items of {stage} could be computed",
            where=stage,
            why=_in_words(bad),
            fix="look at what they have in common: the model, the precision, the guidance, the learning rate",
        )


def _in_words(bad: Iterable[BadItem]) -> str:
    found = [f"{item.name} ({item.reason})" for item in bad]
    more = f"; and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more
