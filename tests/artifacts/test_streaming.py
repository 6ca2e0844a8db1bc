import numpy as np
import pyarrow.parquet as pq
import pytest

from moongate.artifacts.images import (
    Picture,
    count_images,
    read_captions,
    read_images,
    stream_images,
    write_images,
)
from moongate.artifacts.schemas import VALIDATION
from moongate.artifacts.tables import open_table, read_provenance, write_table
from moongate.errors import StoreError


def point(step: int) -> dict[str, object]:
    return {"step": step, "validation_loss": 0.5, "chosen": False}


def pictures(count: int) -> list[Picture]:
    pixels = np.zeros((4, 4, 3), np.uint8)
    return [
        Picture.from_pixels(pixels + number, image_id=f"p{number}", file_name="a.png", text=f"duck {number}")
        for number in range(count)
    ]


def test_appended_rows_read_like_rows_written_at_once(tmp_path):
    with open_table(tmp_path / "parts.parquet", VALIDATION, {"batch_size": "2"}) as append:
        append([point(0), point(1)])
        append([point(2)])
    write_table(tmp_path / "whole.parquet", [point(0), point(1), point(2)], VALIDATION)
    assert pq.read_table(tmp_path / "parts.parquet").equals(pq.read_table(tmp_path / "whole.parquet"))
    assert pq.read_metadata(tmp_path / "parts.parquet").num_row_groups == 2
    assert read_provenance(tmp_path / "parts.parquet")["batch_size"] == "2"


def test_a_later_row_that_does_not_fit_leaves_no_file(tmp_path):
    with (
        pytest.raises(StoreError, match="unknown columns"),
        open_table(tmp_path / "v.parquet", VALIDATION) as append,
    ):
        append([point(0)])
        append([point(1) | {"lr": 1.0}])
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_taken_from_their_source_as_they_are_written(tmp_path):
    write_images(tmp_path, iter(pictures(130)))
    assert pq.read_metadata(tmp_path / "images.parquet").num_row_groups == 3
    assert read_images(tmp_path) == tuple(pictures(130))


def test_pictures_can_be_read_in_batches(tmp_path):
    write_images(tmp_path, pictures(5))
    batches = list(stream_images(tmp_path, 2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert tuple(picture for batch in batches for picture in batch) == read_images(tmp_path)
    assert count_images(tmp_path) == 5
    assert read_captions(tmp_path) == tuple(f"duck {number}" for number in range(5))
