import hashlib
import json
import os
import shutil
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from moongate.artifacts.images import as_dataset, read_images
from moongate.artifacts.store import Store
from moongate.config import IngestConfig
from moongate.errors import InputError
from moongate.models.source import BaseSource, bundled_folder
from moongate.stages.context import StageContext
from moongate.stages.ingest import IngestInputs, ingest, read_verdicts, recipe
from moongate.subject import SubjectConfig

CONFIG = IngestConfig()
LENIENT = IngestConfig(allow_rejects=True, min_pictures=1)


def pixels(number: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(number)).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def save(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(number)).save(path)


def write_rows(folder: Path, rows: list[dict]) -> None:
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "ducks"
    for number in range(4):
        save(folder / f"{number}.png", number)
    write_rows(folder, [{"file_name": f"{n}.png", "text": f"a duck, {n}", "scene": "moon"} for n in range(4)])
    return folder


@pytest.fixture
def context(tmp_path):
    return StageContext(Store(tmp_path / "store"))


TOYBOX = BaseSource(bundled_folder() / "base", "toybox")


def inputs(folder: Path) -> IngestInputs:
    return IngestInputs(folder, TOYBOX)


def verdicts(context: StageContext, folder: Path) -> dict[str, tuple[str, str]]:
    obtained = ingest(LENIENT, inputs(folder), context)
    found = read_verdicts(context.store.folder(obtained.ref))
    return {verdict.file_name: (verdict.verdict, verdict.reason) for verdict in found}


def test_pictures_captions_and_other_columns_are_kept(folder, context):
    obtained = ingest(CONFIG, inputs(folder), context)
    pictures = read_images(context.store.folder(obtained.ref))
    assert obtained.facts.items == 4
    assert [picture.file_name for picture in pictures] == ["0.png", "1.png", "2.png", "3.png"]
    for number, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture.pixels(), pixels(number))
        assert (picture.text, json.loads(picture.extra)) == (f"a duck, {number}", {"scene": "moon"})


def test_the_set_is_handed_on_as_a_hugging_face_dataset(folder, context):
    dataset = as_dataset(ingest(CONFIG, inputs(folder), context).ref, context.store)
    assert dataset.column_names[:3] == ["image_id", "file_name", "text"]
    np.testing.assert_array_equal(np.asarray(dataset[2]["image"]), pixels(2))


def test_moving_touching_and_adding_junk_rebuilds_nothing(folder, context, tmp_path):
    first = ingest(CONFIG, inputs(folder), context)
    moved = tmp_path / "elsewhere" / "birds"
    shutil.copytree(folder, moved)
    os.utime(moved / "0.png", (1, 1))
    (moved / ".DS_Store").write_bytes(b"junk")
    write_rows(moved, list(reversed(read_rows(moved))))
    again = ingest(CONFIG, inputs(moved), context)
    assert again.cached
    assert again.ref == first.ref


def change_a_pixel(folder: Path) -> None:
    save(folder / "0.png", 99)


def change_a_caption(folder: Path) -> None:
    rows = read_rows(folder)
    rows[0]["text"] = "a goose"
    write_rows(folder, rows)


def change_a_column(folder: Path) -> None:
    rows = read_rows(folder)
    rows[0]["scene"] = "beach"
    write_rows(folder, rows)


def remove_a_picture(folder: Path) -> None:
    (folder / "0.png").unlink()
    write_rows(folder, read_rows(folder)[1:])


@pytest.mark.parametrize(
    "change", [change_a_pixel, change_a_caption, change_a_column, remove_a_picture], ids=lambda f: f.__name__
)
def test_any_change_of_content_is_another_set_even_at_the_same_time_stamp(folder, change):
    before = recipe(CONFIG, inputs(folder)).digest
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    change(folder)
    for path in folder.iterdir():
        os.utime(path, ns=(stamps[path], stamps[path]))
    assert recipe(CONFIG, inputs(folder)).digest != before


@pytest.mark.parametrize("change", [{"resolution": 32}, {"background": (0, 0, 0)}, {"min_side": 16}])
def test_rules_are_part_of_the_address(folder, change):
    changed = CONFIG.model_copy(update=change)
    assert recipe(changed, inputs(folder)).digest != recipe(CONFIG, inputs(folder)).digest


@pytest.mark.parametrize("change", [{"allow_rejects": True}, {"min_pictures": 1}, {"evaluation_folder": "x"}])
def test_what_is_tolerated_is_no_part_of_the_address(folder, change):
    changed = CONFIG.model_copy(update=change)
    assert recipe(changed, inputs(folder)).digest == recipe(CONFIG, inputs(folder)).digest


def test_a_picture_is_named_by_its_content(folder, context):
    first = read_images(context.store.folder(ingest(CONFIG, inputs(folder), context).ref))
    (folder / "0.png").rename(folder / "renamed.png")
    rows = read_rows(folder)
    rows[0]["file_name"] = "renamed.png"
    write_rows(folder, rows)
    second = read_images(context.store.folder(ingest(CONFIG, inputs(folder), context).ref))
    assert {picture.image_id for picture in first} == {picture.image_id for picture in second}


def test_every_rejected_input_is_listed_at_once_and_nothing_is_published(folder, context):
    (folder / "1.png").write_bytes(b"no picture")
    (folder / "2.png").unlink()
    save(folder / "9.png", 9)
    with (folder / "metadata.jsonl").open("a") as stream:
        stream.write("{broken\n")
    with pytest.raises(InputError) as caught:
        ingest(CONFIG, inputs(folder), context)
    message = str(caught.value)
    assert "4 of 6 inputs cannot be used" in message
    assert "1.png, line 2: not a PNG, JPEG or WebP file" in message
    assert "2.png, line 3: there is no file" in message
    assert "9.png: no row in metadata.jsonl" in message
    assert "metadata.jsonl, line 5: not JSON" in message
    assert context.store.find(recipe(CONFIG, inputs(folder))) is None


def test_with_rejects_allowed_the_rest_goes_on_and_the_verdicts_are_kept(folder, context):
    (folder / "1.png").write_bytes(b"no picture")
    obtained = ingest(LENIENT, inputs(folder), context)
    table = pq.read_table(context.store.folder(obtained.ref) / "inputs.parquet").to_pylist()
    assert [row["verdict"] for row in table] == ["accepted", "rejected", "accepted", "accepted"]
    assert table[0]["format"] == "PNG"
    assert (table[0]["width"], table[0]["mode"], table[0]["line"]) == (64, "RGB", 1)
    assert obtained.facts.items == 3


def test_a_set_made_with_rejects_is_still_refused_where_they_are_not_allowed(folder, context):
    (folder / "1.png").write_bytes(b"no picture")
    ingest(LENIENT, inputs(folder), context)
    with pytest.raises(InputError, match="1 of 4 inputs cannot be used"):
        ingest(CONFIG, inputs(folder), context)


def test_lines_are_those_of_today_although_the_set_is_of_yesterday(folder, context):
    (folder / "1.png").write_bytes(b"no picture")
    (folder / "2.png").unlink()
    ingest(LENIENT, inputs(folder), context)
    content = (folder / "metadata.jsonl").read_text()
    (folder / "metadata.jsonl").write_text("\n\n" + content)
    assert ingest(LENIENT, inputs(folder), context).cached
    with pytest.raises(InputError) as caught:
        ingest(CONFIG, inputs(folder), context)
    assert "1.png, line 4: not a PNG" in str(caught.value)
    assert "2.png, line 5: there is no file" in str(caught.value)


def test_every_offered_file_has_size_digest_and_format(folder, context):
    (folder / "1.png").write_bytes(b"GIF89a and more")
    save(folder / "9.png", 9)
    (folder / "notes.txt").write_text("ducks")
    obtained = ingest(LENIENT, inputs(folder), context)
    rows = {row.file_name: row for row in read_verdicts(context.store.folder(obtained.ref))}
    for name, row in rows.items():
        content = (folder / name).read_bytes()
        assert (row.bytes, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert {name: row.format for name, row in rows.items()} == {
        "0.png": "PNG",
        "1.png": "GIF",
        "2.png": "PNG",
        "3.png": "PNG",
        "9.png": "PNG",
        "notes.txt": None,
    }
    assert [rows[f"{number}.png"].caption_tokens for number in range(4)] == [6] * 4


def test_the_tokenizer_is_part_of_the_address_and_the_rest_of_the_model_is_not(folder, tmp_path):
    copied = tmp_path / "base"
    shutil.copytree(TOYBOX.folder, copied)
    before = recipe(CONFIG, inputs(folder)).digest
    (copied / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"another")
    assert recipe(CONFIG, IngestInputs(folder, BaseSource(copied, "b"))).digest == before
    tokenizer = copied / "tokenizer" / "tokenizer_config.json"
    tokenizer.write_text(tokenizer.read_text().replace("32", "24"))
    assert recipe(CONFIG, IngestInputs(folder, BaseSource(copied, "b"))).digest != before


def test_the_identifier_matters_only_where_captions_are_prompts(folder):
    def digest(identifier: str, prompt: str) -> str:
        subject = SubjectConfig(identifier=identifier, instance_prompt=prompt)
        return recipe(CONFIG, IngestInputs(folder, TOYBOX, subject)).digest

    fixed, captioned = "a {identifier} {class_noun}", "{caption}"
    assert digest("sks", fixed) == digest("zwx", fixed)
    assert digest("sks", captioned) != digest("zwx", captioned)


def test_too_few_pictures_are_refused(folder, context):
    with pytest.raises(InputError, match="4 usable pictures are too few"):
        ingest(IngestConfig(min_pictures=5), inputs(folder), context)


def test_a_link_out_of_the_folder_is_never_read(folder, context, tmp_path):
    save(tmp_path / "ducks_secret" / "s.png", 7)
    (folder / "0.png").unlink()
    (folder / "0.png").symlink_to(tmp_path / "ducks_secret" / "s.png")
    assert verdicts(context, folder)["0.png"] == ("rejected", "a link that leads out of the folder")


def test_links_that_lead_nowhere_in_circles_or_to_folders_are_refused(folder, context):
    for name, target in (("0.png", "gone.png"), ("1.png", "1.png"), ("2.png", ".")):
        (folder / name).unlink()
        (folder / name).symlink_to(target)
    found = verdicts(context, folder)
    assert "No such file" in found["0.png"][1]
    assert found["1.png"][0] == "rejected"
    assert "link to a folder" in found["2.png"][1]


def test_a_metadata_file_that_is_a_link_out_is_refused(folder, context, tmp_path):
    (folder / "metadata.jsonl").rename(tmp_path / "metadata.jsonl")
    (folder / "metadata.jsonl").symlink_to(tmp_path / "metadata.jsonl")
    with pytest.raises(InputError, match="leads out of the folder"):
        ingest(LENIENT, inputs(folder), context)


def test_a_pipe_is_refused_and_not_waited_for(folder, context):
    (folder / "0.png").unlink()
    os.mkfifo(folder / "0.png")
    assert verdicts(context, folder)["0.png"] == ("rejected", "not a regular file")


def test_the_same_picture_twice_counts_once(folder, context):
    shutil.copy(folder / "0.png", folder / "copy.png")
    write_rows(folder, [*read_rows(folder), {"file_name": "copy.png", "text": "a duck again"}])
    assert verdicts(context, folder)["copy.png"] == ("rejected", "the same bytes as 0.png")


def test_two_rows_for_one_file_are_a_fault(folder, context):
    write_rows(folder, [*read_rows(folder), {"file_name": "./0.png", "text": "another caption"}])
    with pytest.raises(InputError, match=r"0\.png, line 5: line 1 has this file already"):
        ingest(CONFIG, inputs(folder), context)


@pytest.mark.parametrize(("on_disk", "in_row"), [("Duck.png", "duck.png"), ("e\u0301.png", "\u00e9.png")])
def test_a_name_that_only_looks_the_same_is_hinted_at(folder, context, on_disk, in_row):
    (folder / "0.png").rename(folder / on_disk)
    rows = read_rows(folder)
    rows[0]["file_name"] = in_row
    write_rows(folder, rows)
    assert "differs in letter case or Unicode form" in verdicts(context, folder)[in_row][1]


def test_subfolders_named_like_splits_are_read_like_any_other(folder, context):
    save(folder / "test" / "0.png", 20)
    save(folder / "train" / "0.png", 21)
    extra = [{"file_name": f"{split}/0.png", "text": "a duck"} for split in ("test", "train")]
    write_rows(folder, [*read_rows(folder), *extra])
    assert ingest(CONFIG, inputs(folder), context).facts.items == 6


def test_companions_and_junk_get_their_own_verdicts(folder, context):
    save(folder / "masks" / "0.png", 30)
    (folder / ".DS_Store").write_bytes(b"junk")
    (folder / "notes.txt").write_text("ask for more ducks")
    (folder / "metadata.csv").write_text("file_name,text\n")
    (folder / ".hidden").mkdir()
    save(folder / ".hidden" / "x.png", 31)
    rows = read_rows(folder)
    rows[0]["mask_file_name"] = "masks/0.png"
    write_rows(folder, rows)
    found = {name: verdict for name, (verdict, _) in verdicts(context, folder).items()}
    assert found["masks/0.png"] == "companion"
    assert (found[".DS_Store"], found["notes.txt"], found[".hidden"]) == ("ignored",) * 3
    assert found["metadata.csv"] == "rejected"


def test_a_changed_companion_is_another_set(folder):
    save(folder / "masks" / "0.png", 30)
    rows = read_rows(folder)
    rows[0]["mask_file_name"] = "masks/0.png"
    write_rows(folder, rows)
    before = recipe(CONFIG, inputs(folder)).digest
    save(folder / "masks" / "0.png", 31)
    assert recipe(CONFIG, inputs(folder)).digest != before


def test_a_file_name_that_is_not_utf8_is_named_with_escapes(folder, context):
    path = os.fsencode(folder) + b"/d\xfcck.png"
    stream = BytesIO()
    Image.fromarray(pixels(40)).save(stream, format="PNG")
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
        file.write(stream.getvalue())
    assert verdicts(context, folder)["d\\xfcck.png"] == ("rejected", "no row in metadata.jsonl")


def test_a_missing_folder_is_a_clear_error(context, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        ingest(CONFIG, inputs(tmp_path / "nowhere"), context)


class Meddler:
    """A bar that does something to the folder whenever it advances."""

    def __init__(self, meddle):
        self.meddle = meddle

    def track(self, description, total):
        return nullcontext(lambda advanced: self.meddle())


def test_a_picture_that_changes_while_it_is_read_stops_the_stage(folder, context):
    rewrite = Meddler(lambda: save(folder / "3.png", 77))
    with pytest.raises(InputError, match="changed while it was read"):
        ingest(CONFIG, inputs(folder), StageContext(context.store, rewrite))


def test_a_picture_that_vanishes_while_it_is_read_stops_the_stage(folder, context):
    remove = Meddler(lambda: (folder / "3.png").unlink(missing_ok=True))
    with pytest.raises(InputError, match="changed while it was read"):
        ingest(CONFIG, inputs(folder), StageContext(context.store, remove))


def gradient(turn: int) -> np.ndarray:
    ramp = np.linspace(0, 255, 64)[None, :, None] * np.ones((64, 1, 3))
    return np.rot90(ramp, turn).astype(np.uint8)


@pytest.fixture
def held_out(tmp_path, folder):
    """Two pictures of their own, a training picture in another file, and one that only looks like one."""
    Image.fromarray(gradient(0)).save(folder / "ramp.png")
    write_rows(folder, [*read_rows(folder), {"file_name": "ramp.png", "text": "a duck"}])
    apart = tmp_path / "apart"
    save(apart / "own.png", 10)
    save(apart / "too.png", 11)
    Image.fromarray(pixels(2)).save(apart / "again.png", compress_level=0)
    Image.fromarray(gradient(0)).save(apart / "ramp.jpg", quality=60)
    write_rows(apart, [{"file_name": path.name, "text": "a duck"} for path in sorted(apart.iterdir())])
    return IngestInputs(apart, TOYBOX, trained_on=folder)


def test_a_picture_that_is_trained_on_cannot_be_held_out_and_one_like_it_is_noted(held_out, context):
    with pytest.raises(InputError, match="the same pixels as 2.png among the training pictures"):
        ingest(CONFIG, held_out, context)
    ref = ingest(LENIENT, held_out, context).ref
    verdicts = {one.file_name: one for one in read_verdicts(context.store.folder(ref))}
    assert (verdicts["again.png"].verdict, verdicts["own.png"].verdict) == ("rejected", "accepted")
    assert "take it out of this folder, or out of the one" in verdicts["again.png"].hint
    assert "looks nearly like ramp.png among the training pictures" in verdicts["ramp.jpg"].notes
    assert verdicts["own.png"].notes == verdicts["too.png"].notes == ""


def test_the_training_pictures_are_a_part_of_the_address_and_their_captions_are_not(held_out, folder):
    def address() -> str:
        return recipe(CONFIG, held_out).digest

    before = address()
    write_rows(folder, [row | {"text": "another"} for row in read_rows(folder)])
    assert address() == before
    save(folder / "3.png", 33)
    assert address() != before


class MeddledStore(Store):
    """A store in which something happens to the folders once they are surveyed and building begins."""

    def __init__(self, root, meddle):
        super().__init__(root)
        self.meddle = meddle

    def require_room(self, needed, stage):
        self.meddle()
        super().require_room(needed, stage)


@pytest.mark.parametrize(
    "meddle",
    [
        pytest.param(lambda path: save(path, 77), id="another picture"),
        pytest.param(lambda path: path.write_bytes(b"no picture"), id="no picture"),
        pytest.param(lambda path: path.unlink(), id="gone"),
    ],
)
def test_a_training_picture_that_changes_before_it_is_compared_with_stops_the_stage(
    held_out, folder, tmp_path, meddle
):
    store = MeddledStore(tmp_path / "store", lambda: meddle(folder / "2.png"))
    with pytest.raises(InputError, match="changed while it was read") as refused:
        ingest(CONFIG, held_out, StageContext(store))
    assert refused.value.where == str(folder / "2.png")
    assert not list(store.root.glob("artifacts/ingest/[0-9a-f]*"))


def test_a_training_picture_that_cannot_be_used_does_no_harm(held_out, folder, context):
    (folder / "2.png").write_bytes(b"no picture")
    ref = ingest(CONFIG, held_out, context).ref
    assert {one.verdict for one in read_verdicts(context.store.folder(ref))} == {"accepted"}
