import pytest

from moongate.artifacts.shards import Shard, shards


@pytest.mark.parametrize(
    ("items", "size", "workers"), [(10, 3, 2), (1, 8, 4), (24, 4, 4), (7, 1, 3), (5, 2, 9)]
)
def test_shards_take_every_batch_once_and_none_is_without(items, size, workers):
    batches = list(range(-(-items // size)))
    taken = [list(shard.of(batches)) for shard in shards(items, size, workers)]
    assert sorted(batch for share in taken for batch in share) == batches
    assert all(taken)
    assert len(taken) <= workers
    assert max(map(len, taken)) - min(map(len, taken)) <= 1


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_there_is_no_shard_beyond_the_last(index, count):
    with pytest.raises(ValueError, match="no share"):
        Shard(index, count)
