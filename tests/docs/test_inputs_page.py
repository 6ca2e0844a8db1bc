from pathlib import Path

from moongate.config import IngestConfig
from moongate.imagefolder import listing, metadata, pictures, similarity

PAGE = " ".join(Path("docs/inputs.md").read_text(encoding="utf-8").split())


def test_the_page_states_the_bounds_of_the_code() -> None:
    assert f"`ingest.max_pixels`, {IngestConfig().max_pixels:,}" in PAGE
    assert f"a picture's file | {listing.MAX_FILE_BYTES // 2**20} MiB" in PAGE
    assert f"{metadata.MAX_METADATA_BYTES // 2**20} MiB, {metadata.MAX_LINES:,} lines" in PAGE
    assert f"{metadata.MAX_LINE_CHARACTERS:,} characters a line" in PAGE
    assert f"{metadata.MAX_CAPTION_CHARACTERS:,} characters a caption" in PAGE
    assert f"files in a folder | {listing.MAX_FILES:,}" in PAGE
    assert f"{similarity.HASH_BITS} bits, at most {similarity.NEAR_BITS} bits apart" in PAGE


def test_the_page_states_the_memory_of_the_largest_picture() -> None:
    each = pictures.MEMORY_PER_PIXEL_BYTES
    assert f"at most {each} bytes a pixel" in PAGE
    assert f"{each * IngestConfig().max_pixels / 1e9:.1f} GB for the largest picture" in PAGE
    assert f"{pictures.MEMORY_PER_FILE_BYTES // 1024} KiB for each file" in PAGE
    assert f"and {pictures.MEMORY_PER_SET_BYTES // 2**20} MiB, whatever" in PAGE
