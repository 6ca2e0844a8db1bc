"""The files of the index: written in one step, made once, and removed when no run needs them."""

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.faults.limits import short_files
from moongate.artifacts.store import Store
from moongate.errors import StoreError
from moongate.index.pictures import CELL
from moongate.index.site import write_index
from tests.index_material import run_id, shown_run
from tests.run_material import name_seed, png, samples


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    shown_run(store, 1)
    return store


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "index").iterdir()}


def test_pictures_are_made_once_and_shared_by_runs_that_share_their_artifacts(store: Store) -> None:
    write_index(store)
    first = times(store.root)
    assert {name.partition("-")[0] for name in first} == {"samples", "strip", "subject"}
    shown_run(store, 2)
    write_index(store)
    assert times(store.root) == first


def test_a_picture_that_a_crash_cut_short_is_made_again(store: Store) -> None:
    write_index(store)
    pictures = {path: path.read_bytes() for path in (store.root / "index").iterdir()}
    for path, content in pictures.items():
        path.write_bytes(content[: len(content) // 2])
    write_index(store)
    assert {path: path.read_bytes() for path in (store.root / "index").iterdir()} == pictures


def test_a_sheet_holds_a_cell_for_every_prompt(store: Store) -> None:
    write_index(store)
    (sheet,) = (store.root / "index").glob("samples-*.webp")
    with Image.open(sheet) as opened:
        assert opened.size == (3 * 16, 16)
    assert CELL == 64


def test_a_lost_picture_is_replaced_by_that_of_the_next_seed_and_a_lost_prompt_has_no_cell(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    lost = frozenset({("p01", 0), ("p01", 1), ("p02", 0)})
    shown_run(store, 1, drawn=samples(store, "tuned", lost=lost))
    html = write_index(store).read_text(encoding="utf-8")
    assert "with a red hat" in html
    assert "in the snow" not in html
    (sheet,) = (store.root / "index").glob("samples-*.webp")
    with Image.open(sheet) as opened, Image.open(BytesIO(png(name_seed("tuned-noise-p02-1")))) as drawn:
        assert opened.size == (2 * 16, 16)
        first = np.asarray(opened.convert("RGB").crop((0, 0, 16, 16)), dtype=float)
        assert np.corrcoef(first.ravel(), np.asarray(drawn.convert("RGB")).ravel())[0, 1] > 0.5


def test_what_no_run_shows_any_more_is_removed(store: Store) -> None:
    shown_run(store, 2, caption="quite another duck")
    write_index(store)
    assert len(times(store.root)) == 4
    shutil.rmtree(store.root / "runs" / run_id(2))
    write_index(store)
    assert len(times(store.root)) == 3


def test_a_run_whose_artifacts_were_collected_or_damaged_keeps_its_row(store: Store) -> None:
    for path in store.root.glob("artifacts/sample/*/samples.parquet"):
        path.write_bytes(b"damaged")
    for stage in ("evaluate", "train", "ingest"):
        shutil.rmtree(store.root / "artifacts" / stage)
    html = write_index(store).read_text(encoding="utf-8")
    assert f'<tr id="{run_id(1)}"' in html
    assert "nothing drawn" in html
    assert "<img" not in html


def test_a_disk_that_is_full_leaves_the_old_page(store: Store) -> None:
    before = write_index(store).read_bytes()
    shown_run(store, 2)
    with short_files(len(before) // 2), pytest.raises(StoreError):
        write_index(store)
    assert (store.root / "index.html").read_bytes() == before
    assert not list(store.root.glob(".*"))
