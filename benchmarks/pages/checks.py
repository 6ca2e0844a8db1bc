"""What is looked at in an open page: axe's rules, the width, and the index's own controls by keyboard."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.pages.browser import Screen, opened

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

MOST_STOPS, FEWEST_STOPS = 120, 10
# What has the focus, and whether it and everything around it that clips has room to be seen in.
FOCUSED = """() => {
  const focused = document.activeElement;
  if (!focused || focused === document.body) return null;
  const small = one => { const box = one.getBoundingClientRect(); return box.width < 8 || box.height < 8; };
  const clips = one => {
    const style = getComputedStyle(one);
    return style.overflow !== "visible" || style.clipPath !== "none";
  };
  let seen = !small(focused) && getComputedStyle(focused).visibility === "visible";
  for (let one = focused.parentElement; one; one = one.parentElement) {
    if (clips(one) && small(one)) seen = false;
  }
  return {html: focused.outerHTML.slice(0, 100), seen};
}"""


@dataclass(frozen=True)
class Finding:
    """What one page on one screen shows.

    Attributes:
        page: name of the page.
        screen: and its colour scheme.
        violations: rules of axe that elements break, with the first such element.
        undecided: rules of which axe cannot tell whether elements break them, with the first such element.
        passed: rules that all elements keep.
        overflow_px: by how much the page is wider than the screen.
    """

    page: str
    screen: str
    violations: tuple[str, ...]
    undecided: tuple[str, ...]
    passed: int
    overflow_px: int

    def __str__(self) -> str:
        words = "; ".join(self.violations) or f"no violation, {self.passed} rules passed"
        open_ = f", undecided: {'; '.join(self.undecided)}" if self.undecided else ""
        return f"{self.page}, {self.screen}: {words}, {self.overflow_px} px too wide{open_}"


def examine(chromium: Any, name: str, page: Path, screen: Screen, axe: str, fragment: str = "") -> Finding:
    """Open a page and return what is to be said of it."""
    with opened(chromium, page, screen, fragment) as tab:
        overflow = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        # Evaluated from outside, so the page's own policy, which lets no other script run, stays as it is.
        tab.evaluate(axe)
        found = tab.evaluate("rules => axe.run({runOnly: {type: 'tag', values: rules}})", RULES)
    violations, undecided = (
        tuple(f"{rule['id']}: {rule['nodes'][0]['html'][:120]}" for rule in found[kind])
        for kind in ("violations", "incomplete")
    )
    return Finding(
        name, f"{screen.name}, {screen.scheme}", violations, undecided, len(found["passes"]), max(0, overflow)
    )


def walk(chromium: Any, index: Path, screen: Screen) -> tuple[str, ...]:
    """Go through the index with the Tab key, and return every stop whose place cannot be seen."""
    unseen, stops = [], 0
    with opened(chromium, index, screen) as tab:
        for _ in range(MOST_STOPS):
            tab.keyboard.press("Tab")
            stop = tab.evaluate(FOCUSED)
            if stop is None:
                break
            stops += 1
            if not stop["seen"]:
                unseen.append(f"no place to see for the focus on {stop['html']}")
    return tuple(unseen) if stops > FEWEST_STOPS else (f"only {stops} stops for the Tab key",)


def work_through(chromium: Any, index: Path, screen: Screen) -> tuple[str, ...]:
    """Use the index by keyboard as a person would, and return what did not happen as it must."""
    with opened(chromium, index, screen) as tab:
        tab.focus("#order")
        tab.select_option("#order", "fidelity descending")
        shares = tab.evaluate(
            "JSON.parse(document.getElementById('data').textContent).runs && "
            "[...document.querySelectorAll('#table tbody tr')].map(row => "
            "JSON.parse(document.getElementById('data').textContent).runs[row.id].keys.fidelity)"
        )
        measured = [share for share in shares if share is not None]
        told = {
            "sorting by fidelity": shares == sorted(measured, reverse=True) + [None] * shares.count(None),
            "aria-sort": tab.locator("th[data-key=fidelity]").get_attribute("aria-sort") == "descending",
        }
        tab.focus("#query")
        tab.keyboard.type("no run has these words")
        told["an empty search says so"] = tab.is_visible("#none")
        tab.focus("#reset")
        tab.keyboard.press("Enter")
        told["the search can be undone"] = not tab.is_visible("#none")
        boxes = tab.locator(".pick input")
        for number in range(2):
            boxes.nth(number).focus()
            tab.keyboard.press("Space")
        tab.focus("#compare")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("dialog[open]")
        told["two runs side by side"] = tab.locator(".heads .side").count() == 2
        told["the focus moves into the comparison"] = tab.evaluate(
            "document.activeElement.closest('dialog') !== null"
        )
        tab.keyboard.press("Escape")
        told["Escape closes the comparison"] = tab.locator("dialog[open]").count() == 0
    return tuple(what for what, happened in told.items() if not happened)
