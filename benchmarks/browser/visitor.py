"""A headless browser that looks at pages of a Prefect server, and keeps pictures of what it saw."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Sight:
    """Something that a page should have, and whether it was displayed.

    Attributes:
        page: what people call it.
        what: a text, or what else was looked for, in words.
        displayed: whether it was there.
    """

    page: str
    what: str
    displayed: bool


class Visitor:
    """Opens pages, and notes whether what should be on them is really displayed.

    Attributes:
        sights: what was looked for, in order.
    """

    def __init__(self, page: "Page", url: str) -> None:
        self._page = page
        self._url = url
        self._name = ""
        self.sights: list[Sight] = []
        page.on("pageerror", lambda error: self._note(f"no error of a script: {error}", displayed=False))

    def open(self, name: str, path: str, interface: Literal["/v2", ""] = "/v2") -> None:
        """Go to a page of the server, called `name`, in the newer of its two interfaces or the older one."""
        self._name = name
        self._page.goto(self._url + interface + path)

    def press(self, text: str) -> None:
        """Press the tab or button that says `text`."""
        self._page.get_by_text(text, exact=True).first.click()

    def expect_text(self, *texts: str) -> None:
        """Note whether each text becomes visible."""
        for text in texts:
            self._note(text, displayed=self._comes(self._page.get_by_text(text).first.wait_for))

    def expect_picture(self, min_width: int) -> None:
        """Note whether a picture of at least so many pixels is displayed."""
        drawn = (
            "least => [...document.images].some(one => one.complete && one.naturalWidth >= least"
            " && one.getBoundingClientRect().width > 100)"
        )
        shown = self._comes(lambda: self._page.wait_for_function(drawn, arg=min_width))
        self._note(f"a picture of at least {min_width} pixels", displayed=shown)

    def expect_nothing_ran(self, name: str) -> None:
        """Note whether markup in a file's name or caption has become no element and no script."""
        acted = f"window.{name} || document.getElementById('{name}') || document.querySelector('td a')"
        idle = not self._page.evaluate(f"() => Boolean({acted})")
        self._note("markup of a file's name, as text only", displayed=idle)

    def settle(self, seconds: float) -> None:
        """Let the page draw what tells nobody when it is there: a canvas."""
        self._page.wait_for_timeout(seconds * 1000)

    def keep(self, path: Path) -> None:
        """Keep a picture of the page as it is, light enough for a page of documentation."""
        with Image.open(BytesIO(self._page.screenshot())) as taken:
            _write_light(taken.convert("RGB"), path)

    def _note(self, what: str, *, displayed: bool) -> None:
        self.sights.append(Sight(self._name, what, displayed))

    def _comes(self, wait: Callable[[], object]) -> bool:
        """Tell whether what is waited for comes within the page's patience."""
        from playwright.sync_api import TimeoutError as NotSeenError

        try:
            wait()
        except NotSeenError:
            return False
        return True


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
