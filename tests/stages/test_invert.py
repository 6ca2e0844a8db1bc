from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from moongate.artifacts.images import pixels_from_png, read_images, write_images
from moongate.artifacts.inverted import InversionSet
from moongate.artifacts.latents import LatentSet
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef, InversionsRef
from moongate.artifacts.store import Obtained
from moongate.config import CacheConfig, InvertConfig
from moongate.errors import InputError, StoreError
from moongate.inversions.pictures import choose_targets
from moongate.settings import Settings
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.invert import InvertInputs, invert, recipe

CONFIG = InvertConfig(
    steps=8, refinement_iterations=6, tolerance=1e-5, batch_size=3, num_images=0, store_trajectory=True
)


@dataclass(frozen=True)
class Ran:
    obtained: Obtained[InversionsRef]
    folder: Path
    rows: list[dict]

    @property
    def inversions(self) -> InversionSet:
        return InversionSet(self.folder)

    def distances_to_the_floor(self, method: str) -> np.ndarray:
        """Mean distance of each picture drawn again from the VAE's round trip, in grey levels."""
        pairs = [
            [pixels_from_png(row[name]["bytes"]).astype(float) for name in ("floor", "reconstruction")]
            for row in self.rows
            if row["method"] == method
        ]
        return np.array([np.abs(floor - drawn).mean() for floor, drawn in pairs])


def run(config, inputs, context) -> Ran:
    obtained = invert(config, inputs, context)
    folder = context.store.folder(obtained.ref)
    return Ran(obtained, folder, pq.read_table(folder / "inversions.parquet").to_pylist())


def inputs_in(context, base, put_images) -> InvertInputs:
    images = put_images(context)
    latents = cache(CacheConfig(), CacheInputs(images, base), context).ref
    return InvertInputs(base=base, precision="float32", images=images, latents=latents)


@pytest.fixture(scope="module")
def context(new_context):
    return new_context()


@pytest.fixture(scope="module")
def inputs(base, put_images, context):
    return inputs_in(context, base, put_images)


@pytest.fixture(scope="module")
def ran(inputs, context) -> Ran:
    return run(CONFIG, inputs, context)


def test_every_picture_has_a_row_per_method_sorted_by_id(ran):
    assert [row["image_id"] for row in ran.rows] == [
        name for name in ("p5", "p6", "p7", "p8", "p9") for _ in "12"
    ]
    assert [row["method"] for row in ran.rows] == ["plain", "fixed_point"] * 5
    assert {row["model"] for row in ran.rows} == {"base"}
    assert {row["text"] for row in ran.rows if row["image_id"] == "p7"} == {"a duck in the snow"}
    assert ran.obtained.facts.items == 5


def test_refinement_brings_every_picture_nearer_and_down_to_the_floor(ran):
    plain, refined = (ran.distances_to_the_floor(method) for method in ("plain", "fixed_point"))
    assert (refined < plain).all()
    assert refined.max() < 0.01
    assert max(row["residual"] for row in ran.rows if row["method"] == "fixed_point") < 1e-4
    gaps = [abs(row["floor_psnr_db"] - row["psnr_db"]) for row in ran.rows if row["method"] == "fixed_point"]
    assert max(gaps) < 0.01


def test_the_floor_is_the_vaes_own_round_trip(ran, base):
    row = ran.rows[0]
    vae = AutoencoderKL.from_pretrained(base.folder / "vae")
    pixels = pixels_from_png(row["original"]["bytes"])
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        decoded = vae.decode(vae.encode(image).latent_dist.mean).sample.clamp(-1, 1)
    expected = ((decoded[0].permute(1, 2, 0) + 1) * 127.5).round().numpy()
    floor = pixels_from_png(row["floor"]["bytes"]).astype(float)
    np.testing.assert_allclose(floor, expected, atol=1)
    mse = np.mean((floor - pixels.astype(float)) ** 2)
    assert row["floor_psnr_db"] == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-6)


def test_the_moves_are_kept_and_lead_from_noise_to_the_clean_end_without_gaps(ran):
    moves = ran.inversions.card.moves
    assert len(moves) == 8
    # Leading spacing: 7 strides of 1000 // 8 levels, and the offset 1.
    assert (moves[0][0], moves[-1]) == (876, (1, -1))
    assert all(before[1] == after[0] for before, after in pairwise(moves))


def test_the_trajectory_ends_at_the_inverted_latents(ran):
    first, second = (load_file(ran.folder / f"trajectory-0000{batch}.safetensors") for batch in (0, 1))
    for method in ("plain", "fixed_point"):
        last = torch.cat([first[method][:, -1], second[method][:, -1]])
        assert torch.equal(last, ran.inversions.z_T(method, range(5)).float())
        assert first[method].shape == (3, 8, 4, 8, 8)


def test_without_the_setting_no_trajectory_is_kept(inputs, context):
    short = CONFIG.model_copy(update={"store_trajectory": False, "num_images": 1, "steps": 1})
    names = {path.name for path in run(short, inputs, context).folder.iterdir()}
    assert names == {"artifact.json", "inversions.json", "inversions.parquet", "z_T.safetensors"}


def test_evaluations_are_counted_up_and_down_and_none_when_cached(ran, inputs, context):
    plain = [row for row in ran.rows if row["method"] == "plain"]
    refined = [row for row in ran.rows if row["method"] == "fixed_point"]
    assert {row["unet_evals"] for row in plain} == {8}
    assert all(row["unet_evals"] == round(8 + 8 * row["iterations"]) for row in refined)
    ways_back = 8 * len(ran.rows)
    assert ran.obtained.facts.unet_evals == sum(row["unet_evals"] for row in ran.rows) + ways_back
    again = invert(CONFIG, inputs, context)
    assert (again.cached, again.facts.unet_evals) == (True, 0)


@pytest.mark.parametrize(
    ("wanted", "ids"), [(1, ["p5"]), (2, ["p5", "p7"]), (9, ["p5", "p6", "p7", "p8", "p9"])]
)
def test_a_subset_is_spread_evenly_over_the_sorted_ids(wanted, ids, inputs, context):
    choice = choose_targets(
        context.store.folder(inputs.images), LatentSet(context.store.folder(inputs.latents)), wanted
    )
    assert [target.picture.image_id for target in choice.targets] == ids


def test_an_inversion_does_not_depend_on_its_batch(ran, base, new_context, put_images):
    alone = new_context()
    one_by_one = CONFIG.model_copy(update={"batch_size": 1})
    other = run(one_by_one, inputs_in(alone, base, put_images), alone)
    for method in ("plain", "fixed_point"):
        ours, theirs = (one.inversions.z_T(method, range(5)) for one in (ran, other))
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_under_an_adapter_the_tuned_model_goes_both_ways(ran, inputs, context, put_adapter):
    tuned = run(CONFIG, replace(inputs, adapter=put_adapter(context)), context)
    assert {row["model"] for row in tuned.rows} == {"tuned"}
    ours, theirs = (one.inversions.z_T("fixed_point", [0]) for one in (tuned, ran))
    assert not torch.allclose(ours, theirs, atol=1e-2)
    plain, refined = (tuned.distances_to_the_floor(method) for method in ("plain", "fixed_point"))
    assert (refined < plain / 5).all()


@pytest.mark.parametrize(
    "change", [{"steps": 9}, {"tolerance": 0.1}, {"num_images": 1}, {"store_trajectory": False}]
)
def test_settings_change_the_address(change, inputs):
    assert recipe(CONFIG.model_copy(update=change), inputs).digest != recipe(CONFIG, inputs).digest


def test_the_batch_size_does_not_change_the_address(inputs):
    assert recipe(CONFIG.model_copy(update={"batch_size": 9}), inputs).digest == recipe(CONFIG, inputs).digest


def test_latents_of_other_pictures_are_refused(inputs, context):
    class Other(Settings):
        pass

    pictures = read_images(context.store.folder(inputs.images))[:4]
    recipe_of_others = Recipe("ingest", 1, Other(), (), ImageSetRef)
    others = context.store.obtain(recipe_of_others, lambda folder: write_images(folder, pictures)).ref
    with pytest.raises(InputError, match="p5"):
        invert(CONFIG, replace(inputs, images=others), context)


def test_a_folder_without_inversions_says_so(tmp_path):
    with pytest.raises(StoreError, match="no inversions"):
        InversionSet(tmp_path)
