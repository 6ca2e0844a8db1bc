"""One hostile thing, what must be said of it, and what is said."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.hostile.folder import Folder, sound_folder
from moongate.artifacts.store import Store
from moongate.config import IngestConfig
from moongate.errors import InputError
from moongate.imagefolder.account import rows_of
from moongate.imagefolder.verdicts import Outcome, Verdict
from moongate.models.source import BaseSource, bundled_folder
from moongate.stages.context import StageContext
from moongate.stages.ingest import IngestInputs, ingest, read_verdicts
from moongate.subject import SubjectConfig

LENIENT = IngestConfig(allow_rejects=True)
BASE = BaseSource(bundled_folder() / "base", "toybox")
Ending = Outcome | Literal["refused"]


@dataclass(frozen=True)
class Case:
    """One hostile thing.

    Attributes:
        title: what it is, in words.
        build: does it to a sound folder.
        verdict: of the row in question; "refused" when the folder as a whole must be refused.
        says: a part of what must be said in reason, notes or treatments, or in the error; empty where
            nothing may be said.
        about: name of the file whose row is in question, or of a folder above it.
        subject: whose pictures they are said to be; None makes each caption a prompt.
    """

    title: str
    build: Callable[[Folder], object]
    verdict: Ending
    says: str
    about: str = "x.png"
    subject: SubjectConfig | None = None

    def is_met_by(self, verdict: Ending, message: str) -> bool:
        """Tell whether this is what must be said."""
        return verdict == self.verdict and (self.says in message if self.says else not message)


@dataclass(frozen=True)
class Seen:
    """What became of a case: the verdict, what was said, and all rows of the folder."""

    verdict: Ending
    message: str
    rows: tuple[Verdict, ...] = ()


def prepare(case: Case, path: Path) -> IngestInputs:
    """Write the case's folder."""
    folder = sound_folder(path)
    case.build(folder)
    folder.write_metadata()
    return IngestInputs(path, BASE, case.subject)


def observe(case: Case, inputs: IngestInputs, store: Store) -> Seen:
    """Ingest the case's folder, tolerating what is rejected, and return what is said of it.

    Raises:
        LookupError: when no row speaks of the file in question.
    """
    try:
        obtained = ingest(LENIENT, inputs, StageContext(store))
    except InputError as error:
        return Seen("refused", f"{error.what}: {error.why}", rows_of(error))
    rows = read_verdicts(store.folder(obtained.ref))
    row = _row_about(case, rows)
    said = (row.reason, row.notes, row.treatments)
    return Seen(row.verdict, "; ".join(filter(None, said)), rows)


def _row_about(case: Case, rows: tuple[Verdict, ...]) -> Verdict:
    """Return the row in question: of several for one file, the one that something is said of."""
    found = [row for row in rows if row.file_name == case.about or row.file_name.startswith(f"{case.about}/")]
    if not found:
        raise LookupError(f"{case.title}: no row for {case.about!r} among {[row.file_name for row in rows]}")
    return next((row for row in found if row.verdict == case.verdict), found[0])
