"""Parts of pages that are written from the files that benchmarks left."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NOT_MEASURED = "Not measured yet."


@dataclass(frozen=True)
class Section:
    """One benchmark's part of the page.

    Attributes:
        name: of its module and its Parquet file.
        title: heading.
        about: what is done, a paragraph or two.
        body: makes the lines from the files in a folder.
    """

    name: str
    title: str
    about: str
    body: Callable[[Path], Iterator[str]]

    def lines(self, folder: Path) -> Iterator[str]:
        """Yield the lines of the section."""
        command = f"python -m benchmarks.{self.name}"
        yield from (f"## {self.title}", "", self.about, "")
        if not (folder / f"{self.name}.parquet").is_file():
            yield from (f"{NOT_MEASURED} `{command}` does it.", "")
            return
        yield from ("```bash", f".venv/bin/{command}", "```", "", *self.body(folder))


def text(sections: Sequence[Section], folder: Path) -> str:
    """Return the text of some sections, from the files in `folder`."""
    return "".join(f"{line}\n" for section in sections for line in section.lines(folder))
