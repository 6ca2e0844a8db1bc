"""Writes the index of a store: pictures first, then the page in one step, then what no page shows goes."""

from pathlib import Path

from moongate.artifacts.durability import atomic_file
from moongate.artifacts.locks import exclusive
from moongate.artifacts.room import writing_explained
from moongate.artifacts.store import Store
from moongate.index.page import build_index, render
from moongate.index.pictures import FOLDER, PictureFolder

PAGE = "index.html"


def write_index(store: Store) -> Path:
    """Write `<root>/index.html` over all runs of the store, and return its path.

    A reader sees the old page or the new one, and every picture of whichever it sees. Pictures that are there
    already are not made again, so a further call costs little more than reading the runs' records.

    Raises:
        StoreError: when the disk is full.
    """
    store.require_writable()
    # Two at once would each remove the pictures that only the other one shows.
    with exclusive(store.root / "locks" / f"{FOLDER}.lock"), writing_explained(store.root):
        pictures = PictureFolder(store.root)
        html = render(build_index(store, pictures))
        with atomic_file(store.root / PAGE) as temporary:
            temporary.write_text(html, encoding="utf-8")
        pictures.remove_unused()
    return store.root / PAGE
