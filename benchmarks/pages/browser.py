"""The screens that pages are looked at on, tabs with a page, and the script that checks them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.chromium import NoBrowserError

Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class Screen:
    """A size in CSS pixels and a colour scheme."""

    name: str
    width: int
    height: int
    scheme: Scheme


# Each width once and each scheme twice: axe needs half a minute for a report, most of it for contrasts.
SCREENS = (
    Screen("small phone", 320, 640, "light"),
    Screen("phone", 390, 844, "dark"),
    Screen("desktop", 1280, 900, "light"),
    Screen("desktop", 1280, 900, "dark"),
)
NARROW = Screen("phone of 360 px", 360, 740, "light")


def axe_source() -> str:
    """Return the script of axe-core.

    Raises:
        NoBrowserError: when the package that carries it is not installed.
    """
    try:
        import axe_playwright_python
    except ImportError as error:
        raise NoBrowserError(
            "axe-core is not installed: pip install -c requirements.lock -e '.[browser]' installs it"
        ) from error
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@contextmanager
def opened(chromium: Any, page: Path, screen: Screen, fragment: str = "") -> Iterator[Any]:
    """Yield a tab with a local file, once it has loaded. Errors of its scripts end the benchmark."""
    context = chromium.new_context(
        viewport={"width": screen.width, "height": screen.height}, color_scheme=screen.scheme
    )
    context.set_default_timeout(120_000)
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    try:
        tab.goto(page.resolve().as_uri() + fragment)
        yield tab
        if errors:
            raise AssertionError(f"{page.name}{fragment} on {screen.name}: {'; '.join(errors)}")
    finally:
        context.close()
