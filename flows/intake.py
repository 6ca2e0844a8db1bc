"""The folders of a run, taken in together: what is wrong with any of them is said at once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from flows.ingredients import Ingredients
from flows.performers import Perform
from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.store import Store
from moongate.artifacts.tables import write_run_table
from moongate.config import IngestConfig
from moongate.errors import InputError
from moongate.imagefolder.account import RejectedInputsError, rows_of
from moongate.runs import RunRecord
from moongate.stages.ingest import IngestInputs
from tasks.ingest import ingest


class UnusableFoldersError(InputError):
    """Some of a run's folders cannot be used; it carries what is wrong with each, by its role."""

    def __init__(self, faults: Mapping[str, InputError]) -> None:
        super().__init__(
            "; ".join(_in_short(role, fault) for role, fault in faults.items()),
            where=", ".join(faults),
            why="".join(f"\n  [{role}] {fault}" for role, fault in faults.items()),
            fix="do as said for each, then the same command again",
        )
        self.faults = faults

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.faults,))


def _in_short(role: str, fault: InputError) -> str:
    """Name a folder, what is wrong with it, and the files that it is about."""
    files = fault.account.named() if isinstance(fault, RejectedInputsError) else ""
    return f"in the {role} folder, {fault.where}: {fault.what}{f' ({files})' if files else ''}"


def take_in(given: Ingredients, perform: Perform) -> dict[str, ImageSetRef]:
    """Ingest every folder of a run and return the image sets by role; `holdout` may be absent.

    Raises:
        UnusableFoldersError: when any of them cannot be used, after all of them were tried.
    """
    subject, sets, faults = given.config.subject, dict[str, ImageSetRef](), dict[str, InputError]()

    def take(role: str, config: IngestConfig, inputs: IngestInputs) -> None:
        try:
            sets[role] = perform(ingest, role, config, inputs)
        except InputError as fault:
            faults[role] = fault

    take("train", *given.subject_folder(subject.folder))
    if subject.holdout_folder:
        # A folder that cannot be read at all is told of once.
        unreadable = not isinstance(faults.get("train"), RejectedInputsError | None)
        trained_on = None if unreadable else subject.folder
        take("holdout", *given.held_out_folder(subject.holdout_folder, trained_on))
    take("evaluation", *given.captioned_folder(given.config.ingest.evaluation_folder))
    if faults:
        raise UnusableFoldersError(faults)
    return sets


def record_refused(store: Store, run: RunRecord, faults: Mapping[str, InputError]) -> None:
    """Write the verdicts on the refused folders to the table `inputs`: such a run has no other record."""
    rows: Sequence[dict[str, object]] = [
        {"run_id": run.run_id, "subject": run.config.subject.name, "role": role, **asdict(verdict)}
        for role, fault in faults.items()
        for verdict in rows_of(fault)
    ]
    if rows:
        write_run_table(store.root, "inputs", rows, run_id=run.run_id, stage="ingest")
