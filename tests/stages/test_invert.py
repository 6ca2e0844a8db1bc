from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from moongate.artifacts.images import pixels_from_png, read_images, write_images
from moongate.artifacts.inverted import InversionSet
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef
from moongate.config import CacheConfig, InvertConfig
from moongate.errors import InputError, StoreError
from moongate.settings import Settings
from moongate.stages.cache import CacheInputs, cache
from moongate.stages.invert import InvertInputs, invert, recipe

CONFIG = InvertConfig(
    steps=8, refinement_iterations=6, tolerance=1e-5, batch_size=3, num_images=0, store_trajectory=True
)


@pytest.fixture
def inputs(base, put_images, context):
    images = put_images(context)
    latents = cache(CacheConfig(), CacheInputs(images, base), context).ref
    return InvertInputs(base=base, precision="float32", images=images, latents=latents)


def run(config, inputs, context):
    obtained = invert(config, inputs, context)
    folder = context.store.folder(obtained.ref)
    return obtained, folder, pq.read_table(folder / "inversions.parquet").to_pylist()


def test_every_picture_has_a_row_per_method_sorted_by_id(inputs, context):
    obtained, _, rows = run(CONFIG, inputs, context)
    assert [row["image_id"] for row in rows] == [name for name in ("p5", "p6", "p7", "p8", "p9") for _ in "12"]
    assert [row["method"] for row in rows] == ["plain", "fixed_point"] * 5
    assert {row["model"] for row in rows} == {"base"}
    assert obtained.facts.items == 5


def test_refinement_reconstructs_at_least_as_well_and_comes_near_the_floor(inputs, context):
    _, _, rows = run(CONFIG, inputs, context)
    for plain, refined in zip(rows[::2], rows[1::2], strict=True):
        assert refined["psnr_db"] >= plain["psnr_db"] - 0.01
        assert abs(refined["floor_psnr_db"] - refined["psnr_db"]) < 0.05
        assert refined["residual"] < 1e-3


def test_the_floor_is_the_vaes_own_round_trip(inputs, context):
    _, _, rows = run(CONFIG, inputs, context)
    vae = AutoencoderKL.from_pretrained(inputs.base.folder / "vae")
    pixels = pixels_from_png(rows[0]["original"]["bytes"])
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        decoded = vae.decode(vae.encode(image).latent_dist.mean).sample.clamp(-1, 1)
    expected = ((decoded[0].permute(1, 2, 0) + 1) * 127.5).round().numpy()
    floor = pixels_from_png(rows[0]["floor"]["bytes"]).astype(float)
    np.testing.assert_allclose(floor, expected, atol=1)
    mse = np.mean((floor - pixels.astype(float)) ** 2)
    assert rows[0]["floor_psnr_db"] == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-6)


def test_the_moves_are_kept_and_lead_from_noise_to_the_clean_end_without_gaps(inputs, context):
    _, folder, _ = run(CONFIG, inputs, context)
    moves = InversionSet(folder).card.moves
    assert len(moves) == 8
    assert (moves[0][0], moves[-1]) == (876, (1, -1))
    assert all(before[1] == after[0] for before, after in zip(moves, moves[1:], strict=False))


def test_the_trajectory_ends_at_the_inverted_latents(inputs, context):
    _, folder, _ = run(CONFIG, inputs, context)
    inverted = InversionSet(folder)
    first, second = (load_file(folder / f"trajectory-0000{batch}.safetensors") for batch in (0, 1))
    for method in ("plain", "fixed_point"):
        last = torch.cat([first[method][:, -1], second[method][:, -1]])
        assert torch.equal(last, inverted.z_T(method, range(5)))
        assert first[method].shape == (3, 8, 4, 8, 8)


def test_without_the_setting_no_trajectory_is_kept(inputs, context):
    _, folder, _ = run(CONFIG.model_copy(update={"store_trajectory": False}), inputs, context)
    assert sorted(path.name for path in folder.iterdir()) == [
        "artifact.json",
        "inversions.json",
        "inversions.parquet",
        "z_T.safetensors",
    ]


def test_evaluations_are_counted_up_and_down_and_none_when_cached(inputs, context):
    obtained, _, rows = run(CONFIG, inputs, context)
    assert {row["unet_evals"] for row in rows if row["method"] == "plain"} == {8}
    assert all(
        row["unet_evals"] == round(8 + 8 * row["iterations"]) for row in rows if row["method"] == "fixed_point"
    )
    ways_back = 8 * len(rows)
    assert obtained.facts.unet_evals == sum(row["unet_evals"] for row in rows) + ways_back
    again = invert(CONFIG, inputs, context)
    assert (again.cached, again.facts.unet_evals) == (True, 0)


@pytest.mark.parametrize(("wanted", "ids"), [(1, ["p5"]), (2, ["p5", "p7"]), (9, ["p5", "p6", "p7", "p8", "p9"])])
def test_a_subset_is_spread_evenly_over_the_sorted_ids(wanted, ids, inputs, context):
    config = CONFIG.model_copy(update={"num_images": wanted, "steps": 1, "refinement_iterations": 1})
    _, folder, _ = run(config, inputs, context)
    assert [picture.image_id for picture in InversionSet(folder).card.pictures] == ids


def test_an_inversion_does_not_depend_on_its_batch(inputs, context, new_context, put_images):
    _, folder, _ = run(CONFIG, inputs, context)
    alone = new_context("alone")
    images = put_images(alone)
    cache(CacheConfig(), CacheInputs(images, inputs.base), alone)
    _, other, _ = run(CONFIG.model_copy(update={"batch_size": 1}), inputs, alone)
    for method in ("plain", "fixed_point"):
        ours, theirs = (InversionSet(one).z_T(method, range(5)) for one in (folder, other))
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_under_an_adapter_the_tuned_model_inverts(inputs, context, put_adapter):
    tuned = replace(inputs, adapter=put_adapter(context))
    _, folder, rows = run(CONFIG, tuned, context)
    _, base_folder, _ = run(CONFIG, inputs, context)
    assert {row["model"] for row in rows} == {"tuned"}
    ours, theirs = (InversionSet(one).z_T("fixed_point", [0]) for one in (folder, base_folder))
    assert not torch.allclose(ours, theirs, atol=1e-2)
    assert all(abs(row["floor_psnr_db"] - row["psnr_db"]) < 0.1 for row in rows[1::2])


@pytest.mark.parametrize("change", [{"steps": 9}, {"tolerance": 0.1}, {"num_images": 1}, {"store_trajectory": False}])
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
