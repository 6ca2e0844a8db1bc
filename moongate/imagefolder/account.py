"""What is said of a folder's files: what was not accepted, by what to do next, and the error that says it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from moongate.errors import InputError
from moongate.imagefolder.verdicts import Verdict, printable
from moongate.markdown import table

# A report that does not fit on a screen is not read.
SHOWN_PER_GROUP = 5
_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Group:
    """Rejected files that need the same thing done.

    Attributes:
        hint: what to do next.
        shown: the first of them.
        left_out: how many more there are.
    """

    hint: str
    shown: tuple[Verdict, ...]
    left_out: int

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Return (place, reason) of those that are shown, safe for a terminal and of bearable length."""
        return tuple((verdict.place, _brief(verdict.reason)) for verdict in self.shown)


@dataclass(frozen=True)
class Account:
    """The verdicts on one folder.

    Attributes:
        folder: the folder.
        verdicts: on each of its files and metadata rows.
    """

    folder: Path
    verdicts: tuple[Verdict, ...]

    def count(self, outcome: str) -> int:
        """Return how many verdicts are `outcome`."""
        return sum(verdict.verdict == outcome for verdict in self.verdicts)

    @property
    def noted(self) -> tuple[Verdict, ...]:
        """Accepted pictures with something that a person should know."""
        return tuple(verdict for verdict in self.verdicts if verdict.notes)

    def groups(self) -> tuple[Group, ...]:
        """Return the rejected, those that need the same thing done together, the largest group first."""
        by_hint: dict[str, list[Verdict]] = {}
        for verdict in self.verdicts:
            if verdict.verdict == "rejected":
                by_hint.setdefault(verdict.hint, []).append(verdict)
        groups = (
            Group(hint, tuple(found[:SHOWN_PER_GROUP]), max(0, len(found) - SHOWN_PER_GROUP))
            for hint, found in by_hint.items()
        )
        return tuple(sorted(groups, key=lambda group: -len(group.shown) - group.left_out))

    def headline(self) -> str:
        """Return one line: how many of how many cannot be used."""
        offered = len(self.verdicts) - self.count("ignored") - self.count("companion")
        return f"{self.count('rejected')} of {offered} inputs cannot be used"

    def named(self) -> str:
        """Return the rejected files by name on one line, safe for a terminal; of many, the first."""
        places = [verdict.place for verdict in self.verdicts if verdict.verdict == "rejected"]
        more = f" and {len(places) - SHOWN_PER_GROUP:,} more" if len(places) > SHOWN_PER_GROUP else ""
        return ", ".join(places[:SHOWN_PER_GROUP]) + more

    def text(self) -> str:
        """Return the groups as indented lines; empty when nothing is rejected."""
        return "".join(line for group in self.groups() for line in _group_text(group))


def markdown_table(account: Account) -> str:
    """Return the groups as a Markdown table; nothing in a file's name can act as markup there."""
    rows: list[tuple[str, str, str]] = []
    for group in account.groups():
        rows += [(group.hint, place, reason) for place, reason in group.lines()]
        if group.left_out:
            rows.append(("", f"and {group.left_out:,} more", ""))
    return table(("what to do", "file", "reason"), rows)


def remarks(verdicts: Iterable[Verdict]) -> tuple[tuple[str, str], ...]:
    """Return (place, notes) of verdicts with notes, safe for a terminal."""
    return tuple((verdict.place, _brief(verdict.notes)) for verdict in verdicts if verdict.notes)


def _group_text(group: Group) -> Sequence[str]:
    lines = [f"\n    {place}: {reason}" for place, reason in group.lines()]
    if group.left_out:
        lines.append(f"\n    and {group.left_out:,} more")
    return [*lines, f"\n      -> {group.hint}"]


def _brief(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _REASON_CHARACTERS else f"{shown[:_REASON_CHARACTERS]} ..."


class RejectedInputsError(InputError):
    """Files of a folder cannot be used, or too few of them can; it carries the verdict on each."""

    def __init__(self, what: str, *, where: str, why: str, fix: str, account: Account) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.account = account

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuilt, (self.what, self.where, self.why, self.fix, self.account))


def _rebuilt(what: str, where: str, why: str, fix: str, account: Account) -> RejectedInputsError:
    return RejectedInputsError(what, where=where, why=why, fix=fix, account=account)


def enforce(account: Account, *, allow_rejects: bool, min_pictures: int) -> None:
    """Do nothing when the folder can be used as it is.

    Raises:
        RejectedInputsError: when files are rejected although none may be, or too few pictures remain. Either
            way it names every reason.
    """
    where, accepted = str(account.folder), account.count("accepted")
    if account.count("rejected") and not allow_rejects:
        raise RejectedInputsError(
            account.headline(),
            where=where,
            why=f"{accepted} pictures are fine, these are not:{account.text()}",
            fix="do as said above, or go on without them: --allow-rejects (ingest.allow_rejects=true)",
            account=account,
        )
    if accepted < min_pictures:
        raise RejectedInputsError(
            f"{accepted} usable pictures are too few",
            where=where,
            why=f"ingest.min_pictures is {min_pictures}; rejected: {account.text() or 'none'}",
            fix="add pictures with a row each in metadata.jsonl, or lower ingest.min_pictures",
            account=account,
        )


def rows_of(fault: InputError) -> tuple[Verdict, ...]:
    """Return the rows of a folder that ingest refused: the verdict on each of its files.

    A folder that could not be read at all has one row, of the file that is to blame or of the folder itself.
    """
    if isinstance(fault, RejectedInputsError):
        return fault.account.verdicts
    blamed = printable(Path(fault.where).name or fault.where)
    return (Verdict(blamed, "rejected", printable(f"{fault.what}: {fault.why}"), printable(fault.fix)),)
