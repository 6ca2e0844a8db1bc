import math

import pytest
import torch

from moongate.diffusion.noise import (
    gaussian,
    gaussian_batch,
    integer_batch,
    keyed_seed,
    uniform_batch,
)


def test_row_depends_on_its_item_alone() -> None:
    alone = gaussian_batch((4, 8, 8), 3, "z_T", ["b"])
    among = gaussian_batch((4, 8, 8), 3, "z_T", ["a", "b", "c"])
    assert torch.equal(alone[0], among[1])


@pytest.mark.parametrize(
    "other", [(4, "z_T", 5, 6), (3, "eta", 5, 6), (3, "z_T", "5", 6), (3, "z_T", 5, 7), (3, "z_T", 56, 0)]
)
def test_every_part_of_the_key_matters(other: tuple[int, str, int | str, int]) -> None:
    assert keyed_seed(3, "z_T", 5, 6) != keyed_seed(*other)


def test_seeds_are_63_bit_and_never_change_between_versions() -> None:
    assert keyed_seed(0, "z_T", 0) == 7340629010190890315
    assert all(0 <= keyed_seed(seed, "x", "y") < 2**63 for seed in range(200))


def test_global_generator_is_neither_read_nor_moved() -> None:
    before = torch.get_rng_state()
    drawn = gaussian((8,), seed=0, purpose="p", item=0)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        assert torch.equal(gaussian((8,), seed=0, purpose="p", item=0), drawn)


def test_noise_is_standard_normal_and_independent_between_items() -> None:
    noise = gaussian_batch((4096,), 0, "check", list(range(16)))
    assert noise.dtype == torch.float32
    assert abs(noise.mean()) < 4 / math.sqrt(noise.numel())
    assert abs(noise.var() - 1) < 4 * math.sqrt(2 / noise.numel())
    off_diagonal = torch.corrcoef(noise) - torch.eye(16)
    assert off_diagonal.abs().max() < 5 / math.sqrt(4096)


def test_integers_cover_the_range_evenly() -> None:
    drawn = integer_batch(10, 0, "timestep", list(range(4000)))
    assert drawn.dtype == torch.int64
    assert torch.bincount(drawn, minlength=10).sub(400).abs().max() < 5 * math.sqrt(400)


def test_uniforms_cover_the_unit_interval() -> None:
    drawn = uniform_batch(0, "dropout", list(range(4000)))
    assert 0 <= drawn.min() < 0.01
    assert 0.99 < drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 4 / math.sqrt(12 * 4000)


def test_no_items_give_an_empty_batch() -> None:
    assert gaussian_batch((4, 8, 8), 0, "z_T", []).shape == (0, 4, 8, 8)
