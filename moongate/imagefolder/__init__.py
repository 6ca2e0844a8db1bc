"""A strict reader of folders of pictures with a `metadata.jsonl`."""
