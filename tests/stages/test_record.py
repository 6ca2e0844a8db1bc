"""record: what a run leaves behind can be opened, read and trusted."""

import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import datasets
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from moongate.artifacts.store import Store
from moongate.artifacts.tables import TABLES
from moongate.config import RunConfig
from moongate.errors import StoreError
from moongate.models.source import BaseSource
from moongate.stages.context import StageContext
from moongate.stages.record import RecordInputs, RecordRef, record
from tests.run_material import FIGURES, PROMPTS, RUN_ID, SEEDS, publish, run_inputs

# The others say how runs and campaigns went, and are written when they end.
OF_RESULTS = {name: table for name, table in TABLES.items() if name not in ("runs", "stages", "campaigns")}


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> BaseSource:
    return BaseSource(tiny_sd1, "tiny")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def inputs(store: Store, base: BaseSource) -> RecordInputs:
    return run_inputs(store, base)


@pytest.fixture(scope="module")
def recorded(store: Store, inputs: RecordInputs) -> RecordRef:
    return record(RunConfig(), inputs, StageContext(store))


def table(store: Store, name: str) -> pd.DataFrame:
    (path,) = (store.root / "tables" / name).iterdir()
    return pd.read_parquet(path)


def test_every_table_of_the_run_is_written_under_its_declared_schema(
    store: Store, recorded: RecordRef
) -> None:
    assert {path.name for path in (store.root / "tables").iterdir()} == set(OF_RESULTS)
    for name, declared in OF_RESULTS.items():
        (path,) = (store.root / "tables" / name).iterdir()
        assert path.name.startswith(RUN_ID)
        assert pq.read_schema(path).names == declared.schema.names


def test_tables_open_in_pandas_with_the_run_in_every_row(store: Store, recorded: RecordRef) -> None:
    for name in OF_RESULTS:
        frame = table(store, name)
        assert set(frame["run_id"]) == {RUN_ID}
        assert set(frame["subject"]) == {"bolt_duck"}
    assert len(table(store, "samples")) == 3 * len(PROMPTS) * len(SEEDS) + 2 * 4
    assert len(table(store, "summary")) == sum(len(models) for models in FIGURES.values())


def test_files_of_two_folders_are_told_apart_by_their_role(store: Store, recorded: RecordRef) -> None:
    offered = table(store, "inputs")
    assert offered.groupby("role")["file_name"].count().to_dict() == {"train": 2, "holdout": 2}


@pytest.mark.parametrize(("name", "column"), [("samples", "image"), ("inversions", "floor")])
def test_picture_tables_load_as_datasets_with_decoded_pictures(
    store: Store, recorded: RecordRef, tmp_path: Path, name: str, column: str
) -> None:
    files = [str(path) for path in (store.root / "tables" / name).iterdir()]
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    cell = table(store, name)[column].iloc[0]
    expected = Image.open(BytesIO(cell["bytes"])).convert("RGB").tobytes()
    assert loaded[0][column].convert("RGB").tobytes() == expected


def test_recording_again_replaces_the_rows(store: Store, inputs: RecordInputs, recorded: RecordRef) -> None:
    before = len(table(store, "samples"))
    record(RunConfig(), inputs, StageContext(store))
    assert len(table(store, "samples")) == before


def test_sheets_and_curves_are_pictures(store: Store, recorded: RecordRef) -> None:
    sheets = recorded.report.parent / "sheets"
    assert {path.stem for path in sheets.iterdir()} == {
        "training", "holdout", "samples_base", "samples_tuned", "class_base", "class_tuned",
        "from_inversions", "inversions", "loss", "validation",
    }  # fmt: skip
    for path in sheets.iterdir():
        with Image.open(path) as sheet:
            assert sheet.format == "PNG"
            assert min(sheet.size) > 100


def test_the_exported_model_holds_the_adapters_weights(recorded: RecordRef) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(recorded.report.parent / "model")
    assert (pipeline.unet.conv_in.bias == 0.5).all()


def test_a_run_of_the_same_model_takes_over_the_export_without_torch(
    store: Store, inputs: RecordInputs, recorded: RecordRef
) -> None:
    run_id = RUN_ID.replace("beef", "cafe")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from moongate.artifacts.refs import AdapterRef\n"
        "from moongate.artifacts.store import Store\n"
        "from moongate.models.source import BaseSource\n"
        "from moongate.report.export import export_model\n"
        "root, base, adapter, run_id = sys.argv[1:]\n"
        "folder = Path(root, 'runs', run_id)\n"
        "folder.mkdir()\n"
        "export_model(folder, BaseSource(Path(base), 'tiny'), AdapterRef(adapter), Store(Path(root)))\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    arguments = [str(store.root), str(inputs.base.folder), inputs.adapter.digest, run_id]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    first, second = (store.root / "runs" / name / "model" for name in (RUN_ID, run_id))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_recording_imports_neither_torch_nor_matplotlib_once_a_run_had_the_model(
    store: Store, inputs: RecordInputs, recorded: RecordRef
) -> None:
    code = (
        "import pickle, sys\n"
        "from pathlib import Path\n"
        "from moongate.artifacts.store import Store\n"
        "from moongate.config import RunConfig\n"
        "from moongate.stages.context import StageContext\n"
        "from moongate.stages.record import record\n"
        "inputs = pickle.load(sys.stdin.buffer)\n"
        "record(RunConfig(), inputs, StageContext(Store(Path(sys.argv[1]))))\n"
        "sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))\n"
    )
    import pickle

    subprocess.run(
        [sys.executable, "-c", code, str(store.root)],
        input=pickle.dumps(inputs),
        check=True,
        capture_output=True,
    )


def test_a_table_without_the_reports_columns_is_refused_by_name(
    store: Store, inputs: RecordInputs, recorded: RecordRef
) -> None:
    def build(folder: Path) -> None:
        import pyarrow as pa

        pq.write_table(pa.table({"metric": ["x"]}), folder / "summary.parquet")

    broken = replace(inputs, metrics=publish(store, "evaluate", "broken", type(inputs.metrics), build))
    with pytest.raises(StoreError, match=r"summary\.parquet lacks columns") as caught:
        record(RunConfig(), broken, StageContext(store))
    assert "num_units" in caught.value.why
