"""The peers do the same work: same pictures, same round trip, as many samples through the UNet."""

from pathlib import Path

import pytest

from benchmarks.speed.architectures import Architecture, write_random_model
from benchmarks.speed.bench import Bench
from benchmarks.speed.caching import read_all, write_latents
from benchmarks.speed.inversion import our_round_trip
from benchmarks.speed.memory import measure as measure_memory
from benchmarks.speed.plain_inversion import scheduler_loop
from benchmarks.speed.plain_training import plain_loop
from benchmarks.speed.sampling import picture_difference
from benchmarks.speed.sizes import TINY
from benchmarks.speed.training import our_loop
from moongate.models.base import load_model
from moongate.models.source import BaseSource
from tests.flows.tiny_run import write_pictures


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Bench:
    place = tmp_path_factory.mktemp("bench")
    settings = (
        "ingest.min_side=16",
        f"subject.folder={write_pictures(place / 'train', 1)}",
        f"ingest.evaluation_folder={write_pictures(place / 'evaluation', 3)}",
        "subject.class_noun=duck",
    )
    return Bench(BaseSource(tiny_sd1, "toybox"), "cpu", TINY, place, settings=settings)


def test_the_pipeline_draws_our_pictures(bench: Bench) -> None:
    largest, equal = picture_difference(bench.base, "cpu", ["a red duck", "a duck"], steps=3)
    assert largest <= 1
    assert equal > 0.99


def test_both_loops_pass_as_many_samples_in_a_step_and_train(bench: Bench) -> None:
    material = bench.material
    common = {"base": bench.base, "device": "cpu", "batch": 2, "steps": 1, "precision": "float32"}
    latents = (material.folder(material.latents), material.folder(material.evaluation_latents))
    images = (material.folder(material.pictures), material.folder(material.evaluation))
    ours = our_loop(**common, latents=latents)
    plain = plain_loop(**common, images=images, prompt="a sks duck")
    assert ours() == plain()
    assert ours().unet_evals == 4


def test_every_way_to_train_has_its_memory_measured_against_a_target(bench: Bench) -> None:
    rows = list(measure_memory(bench))
    timed, held = rows[0::2], rows[1::2]
    assert [row.ours_unet_evals for row in timed] == [2, 2, 2, 2]
    assert [(row.unit, row.target, row.shortfall()) for row in held] == [
        ("GB", 24.0, 0.0),
        ("GB", 24.0, 0.0),
        ("GB", 24.0, 0.0),
        ("GB", 12.0, 0.0),
    ]
    assert [row.ours_value for row in held] == [row.ours_peak_bytes / 10**9 for row in timed]


def test_plain_inversion_loses_what_the_scheduler_loop_loses(bench: Bench) -> None:
    material = bench.material
    common = {
        "base": bench.base,
        "device": "cpu",
        "precision": "float32",
        "latents": material.folder(material.evaluation_latents),
        "rows": (0, 1, 2),
        "steps": 4,
    }
    ours, theirs = our_round_trip(**common, refinements=0)(), scheduler_loop(**common, batch=2)()
    assert ours.unet_evals == theirs.unet_evals == 3 * 4 * 2
    assert ours.error == pytest.approx(theirs.error, rel=1e-3)
    assert our_round_trip(**common, refinements=4)().error < ours.error


def test_latents_that_were_written_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "latents"
    assert write_latents(folder, (4, 2, 2), 5)().items == 5
    assert read_all(folder, 5)().items == 5


def test_a_random_model_of_given_sizes_loads_like_any_other(tmp_path: Path) -> None:
    small = Architecture(
        name="small",
        unet={
            "sample_size": 8,
            "block_out_channels": (16, 32),
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "cross_attention_dim": 24,
            "attention_head_dim": 4,
            "norm_num_groups": 8,
            "layers_per_block": 1,
        },
        vae={
            "block_out_channels": (8, 16),
            "down_block_types": ("DownEncoderBlock2D",) * 2,
            "up_block_types": ("UpDecoderBlock2D",) * 2,
            "norm_num_groups": 4,
            "latent_channels": 4,
        },
        text_encoder={
            "vocab_size": 49408,
            "hidden_size": 24,
            "intermediate_size": 48,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 77,
        },
        max_tokens=77,
        scheduler={"clip_sample": False, "steps_offset": 1, "set_alpha_to_one": False},
    )
    source = write_random_model(small, tmp_path / "small")
    model = load_model(source, "cpu", "float32")
    assert (model.max_tokens, model.latent_shape) == (77, (4, 8, 8))
    written = (tmp_path / "small" / "model_index.json").stat().st_mtime_ns
    write_random_model(small, tmp_path / "small")
    assert (tmp_path / "small" / "model_index.json").stat().st_mtime_ns == written
