"""What one run costs, stage by stage: read from the store of a run that built everything."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from moongate.artifacts.schemas import Table
from moongate.artifacts.store import Store
from moongate.artifacts.tables import read_provenance, write_table
from moongate.errors import InputError
from moongate.runs import RunRecord, StageEntry, load_run, run_folder

COSTS = Table(
    "scale_costs",
    1,
    "stage instance",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("stage", "role")),
            pa.field("wall_s", pa.float64(), nullable=False),
            *(
                pa.field(name, pa.int64(), nullable=False)
                for name in ("items", "unet_evals", "bytes", "files")
            ),
            pa.field("weights_bytes", pa.int64(), nullable=False),
        ]
    ),
)
# Instances that do not depend on the subject, only on its class noun and the base model.
OF_CLASS = frozenset(
    {
        ("ingest", "evaluation"),
        ("prior", "class"),
        ("cache", "class"),
        ("cache", "evaluation"),
        ("invert", "base"),
        ("sample", "base"),
        ("sample", "base class"),
    }
)
# Stages that compute on no device.
ON_CPU = frozenset({"ingest", "record"})
_WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class StageCost:
    """One stage instance of a run.

    Attributes:
        wall_s: seconds it took where it was measured.
        unet_evals: samples that went through the UNet.
        bytes, files: what it left in the store, for `record` its run's folder and tables; without weights.
        weights_bytes: what it left of model weights, which grows with the base model.
    """

    stage: str
    role: str
    wall_s: float
    items: int
    unet_evals: int
    bytes: int
    files: int
    weights_bytes: int

    @property
    def of_class(self) -> bool:
        """Whether subjects of one class share it."""
        return (self.stage, self.role) in OF_CLASS

    @property
    def on_cpu(self) -> bool:
        """Whether it needs no device."""
        return self.stage in ON_CPU


def costs_of(store: Store, wanted: str) -> tuple[StageCost, ...]:
    """Return what each stage instance of a run cost.

    Raises:
        InputError: when the run did not build everything by itself.
    """
    record = load_run(store.root, wanted)
    if reused := [f"{entry.stage} {entry.role}" for entry in record.current() if entry.cached]:
        raise InputError(
            "the costs of a run are known only when it has built everything",
            where=record.run_id,
            why=f"it found these in the store: {', '.join(reused)}",
            fix="run it in an empty store: MOONGATE_HOME=<folder> moongate run",
        )
    return tuple(_cost(store, record, entry) for entry in record.current())


def write_costs(path: Path, costs: Sequence[StageCost], provenance: dict[str, str]) -> None:
    """Write one Parquet file, how it came about in its footer."""
    write_table(path, [asdict(cost) for cost in costs], COSTS, provenance)


def read_costs(path: Path) -> tuple[tuple[StageCost, ...], dict[str, str]]:
    """Read what `write_costs` wrote."""
    rows = pq.read_table(path).to_pylist()
    return tuple(StageCost(**row) for row in rows), dict(read_provenance(path))


def _cost(store: Store, record: RunRecord, entry: StageEntry) -> StageCost:
    files = [path for path in _files_of(store, record, entry) if path.is_file()]
    sizes = {path: path.stat().st_size for path in files}
    # A model's weights are in the adapter and, where they are not a link to another file, in the export.
    weights = sum(
        size
        for path, size in sizes.items()
        if path.suffix == _WEIGHTS and entry.stage in ("train", "record") and path.stat().st_nlink == 1
    )
    linked = sum(size for path, size in sizes.items() if path.stat().st_nlink > 1)
    return StageCost(
        stage=entry.stage,
        role=entry.role,
        wall_s=entry.wall_s,
        items=entry.items,
        unet_evals=entry.unet_evals,
        bytes=sum(sizes.values()) - weights - linked,
        files=len(files),
        weights_bytes=weights,
    )


def _files_of(store: Store, record: RunRecord, entry: StageEntry) -> list[Path]:
    if entry.stage == "record":
        tables = (store.root / "tables").glob(f"*/{record.run_id}.*.parquet")
        return [*run_folder(store.root, record.run_id).rglob("*"), *tables]
    return list((store.root / "artifacts" / entry.stage / entry.digest).rglob("*"))
