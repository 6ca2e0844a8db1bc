"""A headless browser that looks at pages of a Prefect server, and keeps pictures of what it saw."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from benchmarks.chromium import browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_S = 300
WIDTH, HEIGHT = 1360, 900
MAX_PICTURE_BYTES = 150_000


class Visitor:
    """Opens pages, and says whether what should be on them is really displayed.

    Attributes:
        faults: what was not as it should be, a sentence each.
    """

    def __init__(self, page: "Page", url: str) -> None:
        self._page = page
        self._url = url
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))

    def open(self, path: str, interface: Literal["/v2", ""] = "/v2") -> None:
        """Go to a page of the server, in the newer of its two interfaces or in the older one."""
        self._page.goto(self._url + interface + path)

    def press(self, text: str) -> None:
        """Press the tab or button that says `text`."""
        self._page.get_by_text(text, exact=True).first.click()

    def expect_text(self, *texts: str) -> None:
        """Note each text that does not become visible."""
        from playwright.sync_api import TimeoutError as NotSeenError

        for text in texts:
            try:
                self._page.get_by_text(text).first.wait_for(state="visible")
            except NotSeenError:
                self.faults.append(f"{self._page.url}: {text!r} is not displayed")

    def expect_picture(self, min_width: int) -> None:
        """Note when no picture of at least so many pixels is displayed."""
        from playwright.sync_api import TimeoutError as NotSeenError

        drawn = (
            "least => [...document.images].some(one => one.complete && one.naturalWidth >= least"
            " && one.getBoundingClientRect().width > 100)"
        )
        try:
            self._page.wait_for_function(drawn, arg=min_width)
        except NotSeenError:
            self.faults.append(f"{self._page.url}: no picture of {min_width} pixels is displayed")

    def expect_nothing_ran(self, name: str) -> None:
        """Note when markup in a file's name or caption has become an element or a script."""
        acted = f"window.{name} || document.getElementById('{name}') || document.querySelector('td a')"
        if self._page.evaluate(f"() => Boolean({acted})"):
            self.faults.append(f"{self._page.url}: markup from a file was taken for markup")

    def keep(self, path: Path) -> None:
        """Keep a picture of the page as it is, light enough for a page of documentation."""
        with Image.open(BytesIO(self._page.screenshot())) as taken:
            _write_light(taken.convert("RGB"), path)


@contextmanager
def visiting(url: str) -> Iterator[Visitor]:
    """Start a browser for pages of the server at `url`.

    Raises:
        NoBrowserError: when there is none.
    """
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_S * 1000)
        yield Visitor(page, url)


def _write_light(picture: Image.Image, path: Path) -> None:
    """Write a PNG of as many colours as keep it below the bound."""
    for colours in (256, 128, 64, 32):
        few = picture.quantize(colours, dither=Image.Dither.NONE)
        buffer = BytesIO()
        few.save(buffer, format="PNG", optimize=True)
        if buffer.tell() <= MAX_PICTURE_BYTES:
            break
    path.write_bytes(buffer.getvalue())
