import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moongate.artifacts.images import png_from_pixels
from moongate.artifacts.schemas import IMAGES, METRICS, TABLES, VALIDATION
from moongate.artifacts.tables import (
    image_cell,
    read_provenance,
    stamped,
    table_file,
    write_run_table,
    write_table,
)
from moongate.errors import StoreError

POINT = {"step": 1, "validation_loss": 0.5, "chosen": True}
SCORE = {
    "metric": "clip_t",
    "model": "base",
    "item_id": "s1",
    "prompt_id": None,
    "seed": None,
    "value": None,
    "status": "inf",
    "reason": "",
}


def example_value(kind: pa.DataType, name: str) -> object:
    if pa.types.is_struct(kind):
        return image_cell(png_from_pixels(np.full((4, 4, 3), 90, np.uint8)), f"{name}.png")
    return {pa.string(): "a", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): True}[kind]


def example_row(table) -> dict[str, object]:
    return {field.name: example_value(field.type, field.name) for field in table.schema}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_opens_in_pandas_and_in_datasets_with_images_decoded(name, tmp_path):
    from datasets import load_dataset

    table = TABLES[name]
    path = write_run_table(tmp_path, name, [example_row(table)] * 2, run_id="r1", stage="record")
    assert pd.read_parquet(path).columns.tolist() == table.schema.names
    loaded = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == table.schema.names
    for column in table.image_columns:
        assert loaded[0][column].getpixel((1, 1)) == (90, 90, 90)


def test_every_table_of_a_run_says_which_run_and_subject_a_row_belongs_to():
    of_runs = [table for table in TABLES.values() if table.name != "campaigns"]
    assert all(table.schema.names[:2] == ["run_id", "subject"] for table in of_runs)


def test_all_real_numbers_are_float64():
    kinds = {
        field.type for table in TABLES.values() for field in table.schema if pa.types.is_floating(field.type)
    }
    assert kinds == {pa.float64()}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (POINT | {"lr": 1.0}, "unknown columns: lr"),
        ({"step": 1, "chosen": True}, "lacks the columns: validation_loss"),
        (POINT | {"step": 1.5}, "1.5"),
        (POINT | {"step": True}, "no whole number"),
        (POINT | {"step": "one"}, "one"),
        (POINT | {"validation_loss": "low"}, "low"),
        (POINT | {"chosen": None}, "chosen is required and null"),
        (POINT | {"validation_loss": float("nan")}, "holds NaN or an infinity"),
        (POINT | {"validation_loss": float("inf")}, "holds NaN or an infinity"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_is_written(row, complaint, tmp_path):
    with pytest.raises(StoreError, match=complaint):
        write_table(tmp_path / "v.parquet", [POINT, row], VALIDATION)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_column_has_a_picture_in_every_row(tmp_path):
    with pytest.raises(StoreError, match="image is required and null in 1 rows"):
        write_table(
            tmp_path / "i.parquet", [example_row(IMAGES), example_row(IMAGES) | {"image": None}], IMAGES
        )


def test_an_arrow_table_is_held_to_the_same_schema(tmp_path):
    content = pa.table({"chosen": [True], "validation_loss": pa.array([0.5], pa.float32()), "step": [3]})
    write_table(tmp_path / "v.parquet", content, VALIDATION)
    assert pq.read_schema(tmp_path / "v.parquet").names == VALIDATION.schema.names
    with pytest.raises(StoreError, match="unknown columns: extra"):
        write_table(tmp_path / "v.parquet", content.append_column("extra", [[1]]), VALIDATION)


def test_a_missing_value_is_null_beside_its_status(tmp_path):
    write_table(tmp_path / "m.parquet", [SCORE], METRICS)
    assert pq.read_table(tmp_path / "m.parquet").to_pylist() == [SCORE]


def test_a_table_without_rows_keeps_its_schema(tmp_path):
    write_table(tmp_path / "m.parquet", [], METRICS)
    assert pq.read_table(tmp_path / "m.parquet").schema.equals(METRICS.schema)


def test_the_footer_carries_version_grain_and_provenance(tmp_path):
    write_table(tmp_path / "v.parquet", [POINT], VALIDATION, {"run_id": "r7"})
    footer = read_provenance(tmp_path / "v.parquet")
    assert (footer["table"], footer["schema_version"], footer["run_id"]) == ("validation", "1", "r7")
    assert footer["grain"] == "validated step"


def test_a_retry_replaces_its_own_file_and_no_other(tmp_path):
    rows = stamped(pa.Table.from_pylist([POINT], schema=VALIDATION.schema), run_id="r1", subject="duck")
    for run_id in ("r1", "r2", "r1"):
        write_run_table(tmp_path, "validation", rows, run_id=run_id, stage="train")
    files = sorted(path.name for path in (tmp_path / "tables" / "validation").iterdir())
    assert files == ["r1.train.0.parquet", "r2.train.0.parquet"]
    assert len(pd.read_parquet(tmp_path / "tables" / "validation")) == 2


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a.parquet", "b.parquet"):
        write_table(tmp_path / name, [example_row(IMAGES)] * 3, IMAGES)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_flipped_bit_is_noticed_by_a_reader_that_checks(tmp_path):
    path = tmp_path / "i.parquet"
    write_table(path, [example_row(IMAGES)] * 3, IMAGES)
    content = bytearray(path.read_bytes())
    content[content.index(b"IHDR") + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


@pytest.mark.parametrize("run_id", ["007", "a/b", "a.b", "", "../x"])
def test_run_ids_that_readers_would_misread_are_refused(run_id, tmp_path):
    with pytest.raises(StoreError, match="run id"):
        table_file(tmp_path, "runs", run_id=run_id, stage="record")


def test_an_unknown_table_is_refused(tmp_path):
    with pytest.raises(StoreError, match="there is no table 'scores'"):
        write_run_table(tmp_path, "scores", [], run_id="r1", stage="record")
