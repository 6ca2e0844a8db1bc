from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moongate.toybox.gallery import live_prompts, object_prompts, prompt_set_of, write_gallery
from moongate.toybox.instances import SUBJECTS

DATASETS = Path(__file__).parents[2] / "datasets"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("gallery")
    write_gallery(root)
    return root


def files_of(root: Path) -> set[str]:
    parts = ("subjects", "evaluation", "prompts")
    return {
        str(p.relative_to(root))
        for part in parts
        for p in (root / part).rglob("*")
        if p.suffix in (".png", ".jsonl", ".toml")
    }


def test_the_committed_datasets_are_what_the_renderer_draws(gallery):
    assert files_of(gallery) == files_of(DATASETS)
    for name in files_of(gallery):
        if name.endswith(".png"):
            drawn, committed = (np.asarray(Image.open(root / name)) for root in (gallery, DATASETS))
            assert np.array_equal(drawn, committed), name
        else:
            assert (gallery / name).read_text() == (DATASETS / name).read_text()


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_has_five_training_pictures_and_others_held_out(name):
    train, holdout = (
        sorted((DATASETS / "subjects" / name / part).glob("*.png")) for part in ("train", "holdout")
    )
    assert len(train) == len(holdout) == 5
    assert not {p.read_bytes() for p in train} & {p.read_bytes() for p in holdout}


@pytest.mark.parametrize(
    ("prompts", "kinds"),
    [
        (live_prompts(), {"recontextualization": 10, "accessory": 10, "property": 5}),
        (object_prompts(), {"recontextualization": 20, "property": 5}),
    ],
)
def test_a_prompt_set_has_dreambenchs_form(prompts, kinds):
    assert {kind: sum(p.kind == kind for p in prompts) for kind in kinds} == kinds
    assert len({p.prompt_id for p in prompts}) == len({p.template for p in prompts}) == len(prompts) == 25


def test_each_subject_has_a_prompt_set():
    for instance in SUBJECTS.values():
        assert (DATASETS / "prompts" / f"{prompt_set_of(instance.class_noun)}.jsonl").is_file()


def test_evaluation_pictures_have_masks_that_show_an_object():
    images = sorted((DATASETS / "evaluation" / "images").glob("*.png"))
    masks = sorted((DATASETS / "evaluation" / "masks").glob("*.png"))
    assert [p.name for p in images] == [p.name for p in masks]
    assert len(masks) == 100
    assert all((np.asarray(Image.open(mask)) > 127).sum() > 60 for mask in masks)
