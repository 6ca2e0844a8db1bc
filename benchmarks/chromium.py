"""A Chromium without a window, driven by playwright; what is missing is said with what installs it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

VARIABLE = "MOONGATE_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class NoBrowserError(Exception):
    """Pages cannot be opened here; the message says what is missing."""


def find_browser() -> str:
    """Return the Chromium that `browser` starts.

    Raises:
        NoBrowserError: when it or playwright is missing.
    """
    named = os.environ.get(VARIABLE)
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise NoBrowserError(
            f"no Chromium was found on PATH: install one (apt install chromium), or name it in ${VARIABLE}"
        )
    if find_spec("playwright") is None:
        raise NoBrowserError(
            "playwright is not installed: pip install -c requirements.lock -e '.[browser]' installs it"
        )
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a browser of playwright, which can open local files, and close it afterwards.

    Raises:
        NoBrowserError: when playwright or a Chromium is missing.
    """
    executable = find_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Chromium's own sandbox needs rights that a container does not have; the pages are our own.
        chromium = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()
