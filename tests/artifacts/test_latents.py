import pytest
import torch

from moongate.artifacts.latents import LatentSet, LatentWriter, write_prompts
from moongate.artifacts.tables import read_provenance
from moongate.errors import StoreError

PROMPTS = ("a duck", "a sks duck")
EMBEDDINGS = torch.arange(2 * 4 * 3, dtype=torch.float32).reshape(2, 4, 3)


def latent(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(number)
    return torch.randn(4, 2, 3, generator=generator), torch.rand(4, 2, 3, generator=generator)


def write(folder, count: int, shard_rows: int) -> LatentSet:
    write_prompts(folder, PROMPTS, EMBEDDINGS)
    writer = LatentWriter(folder, shard_rows, PROMPTS)
    for number in range(count):
        writer.add(f"p{number}", f"{number:064x}", PROMPTS[number % 2], *latent(number))
    assert writer.finish({"base_digest": "b"}) == count
    return LatentSet(folder)


@pytest.mark.parametrize("shard_rows", [1, 2, 5, 100])
def test_rows_come_back_exactly_and_in_any_order_whatever_the_shards(shard_rows, tmp_path):
    # With shards of one row, more than are kept open.
    found = write(tmp_path, 12, shard_rows)
    rows = [11, *range(12), 0]
    assert torch.equal(found.means(rows), torch.stack([latent(row)[0] for row in rows]))
    assert torch.equal(found.stds(rows), torch.stack([latent(row)[1] for row in rows]))
    assert len(list(tmp_path.glob("latents-*.safetensors"))) == -(-12 // shard_rows)


def test_every_row_knows_its_picture_and_prompt(tmp_path):
    found = write(tmp_path, 3, 2)
    assert len(found) == 3
    assert found.image_ids == ("p0", "p1", "p2")
    assert found.prompts == ("a duck", "a sks duck", "a duck")
    assert found.distinct_prompts == PROMPTS
    assert read_provenance(tmp_path / "index.parquet")["base_digest"] == "b"


def test_a_row_has_the_embedding_of_its_prompt(tmp_path):
    found = write(tmp_path, 3, 2)
    assert torch.equal(found.embeddings([2, 1]), EMBEDDINGS)


def test_a_folder_without_an_index_is_no_latent_set(tmp_path):
    with pytest.raises(StoreError, match="no latent set"):
        LatentSet(tmp_path)
