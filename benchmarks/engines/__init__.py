"""A worker of each engine is killed in the middle of its shard; the results are those of a local run."""
